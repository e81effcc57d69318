"""The referee: trains what contestants propose, all alike, and opens the test split last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ohlora.battle.contestants.base import Attempts, Contestant, MatchContext
from ohlora.battle.result import Played
from ohlora.hardware import Hardware
from ohlora.space import Params
from ohlora.trials.drivers import TrialOutcome, train_and_score
from ohlora.trials.protocol import Protocol

# Fair rules score the chosen params again on seeds nobody has seen.
FRESH_SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Referee:
    """Trains everyone's attempts on one subset with one common seed."""

    context: MatchContext
    subset_fingerprint: str
    protocol: Protocol
    hardware: Hardware
    announce: Callable[[Contestant, int], None]  # and the number of the attempt; 0: fresh seeds

    def train(self, params: Params, fresh: int = 0) -> TrialOutcome:
        """Train one CNN with `params`, which are checked first."""
        space = self.context.space
        return train_and_score(
            space.check({name: params[name] for name in space.within}),
            self.context.subset,
            self.subset_fingerprint,
            space.fingerprint,
            self.protocol,
            self.context.seed + fresh,
            self.hardware,
        )

    def house(self, contestant: Contestant) -> list[Played]:
        """House rules: every attempt counts, each is scored on the test split.

        Contestants are sent validation scores only; test scores stay in the result.
        """
        played: list[Played] = []
        moves = contestant.attempts(self.context)
        params = next(moves, None)
        while params is not None:
            self.announce(contestant, len(played) + 1)
            outcome = self.train(params)
            played.append(self.played(contestant, params, [outcome]))
            params = sent(moves, outcome.record.val_f1)
        return played

    def fair(self, contestant: Contestant, choose_untried: bool = False) -> Played:
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
            val_f1 = self.train(params).record.val_f1
            if val_f1 > best:
                best, chosen = val_f1, params
            params = sent(moves, val_f1)
        self.announce(contestant, 0)
        return self.played(contestant, chosen, [self.train(chosen, fresh) for fresh in FRESH_SEEDS])

    def played(self, contestant: Contestant, params: Params, outcomes: list[TrialOutcome]) -> Played:
        """The attempt with the mean scores of its trainings."""
        return Played(
            contestant.title(self.context, "en"),
            contestant.kind,
            params,
            float(np.mean([outcome.record.val_f1 for outcome in outcomes])),
            float(np.mean([outcome.record.test_f1 for outcome in outcomes])),
            tuple(outcomes[0].curve),
        )


def sent(moves: Attempts, val_f1: float) -> Params | None:
    """The next attempt after `val_f1` is told; None after the last."""
    try:
        return moves.send(val_f1)
    except StopIteration:
        return None
