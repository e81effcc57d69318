"""The referee: trains what contestants propose, all alike, and opens the test split last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ohlora.battle.contestants import Attempt, Contestant
from ohlora.datasets import Subset
from ohlora.hardware import Hardware
from ohlora.space import Params, Space
from ohlora.trials.drivers import TrialOutcome, train_and_score
from ohlora.trials.protocol import Protocol

# Fair rules score the chosen params again on seeds nobody has seen.
FRESH_SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Played:
    """One attempt that counts, with everything its training left."""

    contestant: str
    kind: str
    params: Params
    val_f1: float  # 0 to 1
    test_f1: float  # house rules: of this training; fair rules: mean over the fresh seeds
    curve: list[dict[str, float]]  # step, train_loss, val_loss, val_f1


@dataclass(frozen=True)
class Referee:
    """Trains everyone's attempts on one subset with one common seed."""

    subset: Subset
    subset_fingerprint: str
    space: Space
    protocol: Protocol
    hardware: Hardware
    seed: int
    announce: Callable[[str, int], None]  # (contestant's name, number of the attempt)

    def train(self, params: Params, seed: int | None = None) -> TrialOutcome:
        """Train one CNN with `params`, which are checked first."""
        return train_and_score(
            self.space.check({name: params[name] for name in self.space.within}),
            self.subset,
            self.subset_fingerprint,
            self.space.fingerprint,
            self.protocol,
            self.seed if seed is None else seed,
            self.hardware,
        )

    def house(self, contestant: Contestant) -> list[Played]:
        """House rules: every attempt counts, each is scored on the test split.

        Contestants are shown validation scores only; test scores stay in the result.
        """
        history: list[Attempt] = []
        played = []
        for number in range(1, contestant.trials + 1):
            params = contestant.propose(tuple(history))
            self.announce(contestant.name, number)
            outcome = self.train(params)
            history.append(Attempt(params, outcome.record.val_f1))
            played.append(
                Played(
                    contestant.name,
                    contestant.kind,
                    params,
                    outcome.record.val_f1,
                    outcome.record.test_f1,
                    outcome.curve,
                )
            )
        return played

    def fair(self, contestant: Contestant, choose_untried: bool = False) -> Played:
        """Fair rules: of its trials the best by validation is trained again on three fresh seeds.

        With `choose_untried` a contestant with one trial is taken at its word and only the three
        trainings that score it take place.
        """
        history: list[Attempt] = []
        if not choose_untried:
            for number in range(1, contestant.trials + 1):
                params = contestant.propose(tuple(history))
                self.announce(contestant.name, number)
                history.append(Attempt(params, self.train(params).record.val_f1))
        chosen = (
            max(history, key=lambda attempt: attempt.val_f1).params if history else contestant.propose(())
        )
        self.announce(contestant.name, 0)
        outcomes = [self.train(chosen, seed=self.seed + fresh) for fresh in FRESH_SEEDS]
        return Played(
            contestant.name,
            contestant.kind,
            chosen,
            float(np.mean([o.record.val_f1 for o in outcomes])),
            float(np.mean([o.record.test_f1 for o in outcomes])),
            outcomes[0].curve,
        )
