"""The referee: trains what contestants propose, all alike, and opens the test split last of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ohlora.battle.contestants.base import Attempts, Contestant, MatchContext
from ohlora.battle.result import Played
from ohlora.hardware import Hardware
from ohlora.space import Params
from ohlora.trials.drivers import Training, score_test, train
from ohlora.trials.protocol import Protocol

# Fair rules score the chosen params again on seeds nobody has seen.
FRESH_SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Trained:
    """One attempt that counts, trained and not yet scored on the test split."""

    contestant: Contestant
    params: Params
    trainings: tuple[Training, ...]  # house rules: one; fair rules: one a fresh seed


@dataclass(frozen=True)
class Referee:
    """Trains everyone's attempts on one subset with one common seed."""

    context: MatchContext
    protocol: Protocol
    hardware: Hardware
    announce: Callable[[Contestant, int], None]  # and the number of the attempt; 0: fresh seeds

    def play(self, ohlora: Contestant, challenger: Contestant) -> list[Played]:
        """Every attempt that counts, Oh-LoRA's first, by the challenger's rules; scored at the end."""
        if challenger.rules == "house":
            trained = [*self.house(ohlora), *self.house(challenger)]
        else:
            trained = [
                self.fair(ohlora, choose_untried=True),
                self.fair(challenger, choose_untried=challenger.trials == 1),
            ]
        return self.scored(trained)

    def house(self, contestant: Contestant) -> list[Trained]:
        """House rules: every attempt counts."""
        trained: list[Trained] = []
        moves = contestant.attempts(self.context)
        params = next(moves, None)
        while params is not None:
            self.announce(contestant, len(trained) + 1)
            training = self.train(params)
            trained.append(Trained(contestant, params, (training,)))
            params = after(moves, training.val_f1)
        return trained

    def fair(self, contestant: Contestant, choose_untried: bool = False) -> Trained:
        """Fair rules: of its trials the best by validation is trained again on three fresh seeds.

        With `choose_untried` a contestant with one trial is taken at its word and only the three
        trainings that score it take place.
        """
        moves = contestant.attempts(self.context)
        chosen = params = next(moves)
        best, number = -1.0, 0
        while params is not None and not choose_untried:
            number += 1
            self.announce(contestant, number)
            val_f1 = self.train(params).val_f1
            if val_f1 > best:
                best, chosen = val_f1, params
            params = after(moves, val_f1)
        self.announce(contestant, 0)
        return Trained(contestant, chosen, tuple(self.train(chosen, fresh) for fresh in FRESH_SEEDS))

    def train(self, params: Params, fresh: int = 0) -> Training:
        """Train one CNN with `params`, which are checked first."""
        space = self.context.space
        checked = space.check({name: params[name] for name in space.within})
        return train(checked, self.context.subset, self.protocol, self.context.seed + fresh, self.hardware)

    def scored(self, trained: Sequence[Trained]) -> list[Played]:
        """Open the test split: the mean scores of each attempt's trainings."""
        return [
            Played(
                one.contestant.title(self.context, "en"),
                one.contestant.kind,
                one.params,
                float(np.mean([training.val_f1 for training in one.trainings])),
                float(np.mean([score_test(training)[2] for training in one.trainings])),
                tuple(one.trainings[0].watch.curve),
            )
            for one in trained
        ]


def after(moves: Attempts, val_f1: float) -> Params | None:
    """The next attempt once `val_f1` is told; None after the last."""
    try:
        return moves.send(val_f1)
    except StopIteration:
        return None
