"""The referee: trains what contestants propose, all alike, and opens the test split last of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

from ohlora.battle.contestants.base import Attempts, Contestant, MatchContext
from ohlora.battle.result import Played
from ohlora.battle.training_thread import TrainingThread
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.space import Params
from ohlora.trials.drivers import OnStep, Training, score_test, train
from ohlora.trials.protocol import Protocol

# Fair rules score the chosen params again on seeds nobody has seen.
FRESH_SEEDS = (1, 2, 3)
# Shows a training of (contestant, number of the attempt, seed that it is scored on or 0, steps at most).
Watch = Callable[[Contestant, int, int, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Trained:
    """One attempt that counts, trained and not yet scored on the test split."""

    contestant: Contestant
    params: Params
    trainings: tuple[Training, ...]  # house rules: one; fair rules: one a fresh seed


@dataclass
class Referee:
    """Trains everyone's attempts on one subset with one common seed."""

    context: MatchContext
    protocol: Protocol
    hardware: Hardware
    watch: Watch
    interrupted: bool = field(default=False, init=False)  # Ctrl-C after the challenger's first attempt

    def play(self, ohlora: Contestant, challenger: Contestant) -> list[Played]:
        """Every attempt that counts, Oh-LoRA's first, by the challenger's rules; scored at the end."""
        if challenger.rules == "house":
            trained = self.house(ohlora, challenger)
        else:
            trained = [
                self.fair(ohlora, choose_untried=True),
                self.fair(challenger, choose_untried=challenger.trials == 1),
            ]
        return self.scored(trained)

    def house(self, ohlora: Contestant, challenger: Contestant) -> list[Trained]:
        """House rules: every attempt counts. Oh-LoRA's is trained while the challenger chooses.

        Ctrl-C, or a terminal that closes, ends the match with the attempts that are trained by then.
        """
        hers = next(ohlora.attempts(self.context))
        thread = self.start(hers)
        moves = challenger.attempts(self.context)
        try:
            params = next(moves, None)
            if params is None:
                raise OhloraError("the terminal closed before the first attempt was chosen")
            trained = [Trained(ohlora, hers, (self.finish(thread, ohlora, 1, hers),))]
        finally:
            thread.stop()
        while params is not None:
            try:
                training = self.finish(self.start(params), challenger, len(trained), params)
                trained.append(Trained(challenger, params, (training,)))
                params = after(moves, training.val_f1)
            except KeyboardInterrupt:
                if len(trained) == 1:
                    raise
                self.interrupted = True
                break
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
            val_f1 = self.finish(self.start(params), contestant, number, params).val_f1
            if val_f1 > best:
                best, chosen = val_f1, params
            params = after(moves, val_f1)
        trainings = [
            self.finish(self.start(chosen, seed), contestant, number, chosen, seed) for seed in FRESH_SEEDS
        ]
        return Trained(contestant, chosen, tuple(trainings))

    def start(self, params: Params, fresh: int = 0) -> TrainingThread:
        """Begin to train one CNN with `params`, which are checked first."""
        context, space = self.context, self.context.space
        checked = space.check({name: params[name] for name in space.within})

        def job(on_step: OnStep) -> Training:
            seed = context.seed + fresh
            return train(checked, context.subset, self.protocol, seed, self.hardware, on_step=on_step)

        return TrainingThread(job)

    def finish(
        self, thread: TrainingThread, contestant: Contestant, number: int, params: Params, fresh: int = 0
    ) -> Training:
        """Wait for a training and show how far it is."""
        steps = self.protocol.budget.steps(len(self.context.subset.train), int(params["batch_size"]))
        with self.watch(contestant, number, fresh, steps) as show:
            return thread.result(show)

    def scored(self, trained: Sequence[Trained]) -> list[Played]:
        """Open the test split: the mean scores of each attempt's trainings."""
        return [
            Played(
                one.contestant.title(self.context, "en"),
                one.contestant.kind,
                one.params,
                float(np.mean([training.val_f1 for training in one.trainings])),
                float(np.mean([score_test(training)[2] for training in one.trainings])),
                tuple(one.trainings[0].stopping.curve),
            )
            for one in trained
        ]


def after(moves: Attempts, val_f1: float) -> Params | None:
    """The next attempt once `val_f1` is told; None after the last."""
    try:
        return moves.send(val_f1)
    except StopIteration:
        return None
