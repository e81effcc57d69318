"""The referee: trains what contestants propose, all alike, and opens the test split last of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch

from ohlora.battle.contestants.base import Attempts, Contestant, MatchContext
from ohlora.battle.result import Played
from ohlora.battle.training_thread import Show, TrainingThread, Turns, results
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.space import Params
from ohlora.trials.drivers import EarlyStopping, OnStep, Training, score_test, train
from ohlora.trials.protocol import Protocol

# Fair rules score the chosen params again on seeds nobody has seen.
FRESH_SEEDS = (1, 2, 3)
# Shows a training of (contestant, number of the attempt, seed that it is scored on or 0, steps at most).
Watch = Callable[[Contestant, int, int, int], AbstractContextManager[Show]]


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
    # Oh-LoRA's network and the challenger's first train together, once both are chosen.
    side_by_side: bool = False
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
        """House rules: every attempt counts.

        Ctrl-C, or a terminal that closes, ends the match with the attempts that are trained by then.
        """
        hers = next(ohlora.attempts(self.context))
        moves = challenger.attempts(self.context)
        opening = self.open_together if self.side_by_side else self.open_ahead
        trained = opening(ohlora, hers, challenger, moves)
        try:
            while (params := after(moves, trained[-1].trainings[0].val_f1)) is not None:
                training = self.finish(self.start(params), challenger, len(trained), params)
                trained.append(Trained(challenger, params, (training,)))
        except KeyboardInterrupt:
            self.interrupted = True
        return trained

    def open_ahead(
        self, ohlora: Contestant, hers: Params, challenger: Contestant, moves: Attempts
    ) -> list[Trained]:
        """Oh-LoRA's attempt, trained while the challenger chooses, then the challenger's first."""
        thread = self.start(hers)
        try:
            params = first(moves)
            trained = Trained(ohlora, hers, (self.finish(thread, ohlora, 1, hers),))
        finally:
            thread.stop()
        training = self.finish(self.start(params), challenger, 1, params)
        return [trained, Trained(challenger, params, (training,))]

    def open_together(
        self, ohlora: Contestant, hers: Params, challenger: Contestant, moves: Attempts
    ) -> list[Trained]:
        """Oh-LoRA's attempt and the challenger's first, trained side by side: the same as one by one."""
        sides = [(ohlora, hers), (challenger, first(moves))]
        device, _ = self.hardware.resolve()
        turns = Turns(len(sides), device)
        cards = [device] if device.type == "cuda" else []
        with ExitStack() as stack, torch.random.fork_rng(devices=cards):
            shows = [stack.enter_context(self.watch(who, 1, 0, self.steps(params))) for who, params in sides]
            threads = [self.start(params, turns=turns, number=n) for n, (_, params) in enumerate(sides)]
            trainings = results(list(zip(threads, shows, strict=True)))
        return [
            Trained(who, params, (training,))
            for (who, params), training in zip(sides, trainings, strict=True)
        ]

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

    def start(
        self, params: Params, fresh: int = 0, turns: Turns | None = None, number: int = 0
    ) -> TrainingThread:
        """Begin to train one CNN with `params`, which are checked first."""
        context, space = self.context, self.context.space
        checked = space.check({name: params[name] for name in space.within})
        seed = context.seed + fresh

        def job(on_step: OnStep, stopping: EarlyStopping) -> Training:
            return train(checked, context.subset, self.protocol, seed, self.hardware, None, on_step, stopping)

        return TrainingThread(job, EarlyStopping(self.protocol.budget.patience), turns, number)

    def finish(
        self, thread: TrainingThread, contestant: Contestant, number: int, params: Params, fresh: int = 0
    ) -> Training:
        """Wait for a training and show how far it is."""
        with self.watch(contestant, number, fresh, self.steps(params)) as show:
            return thread.result(show)

    def steps(self, params: Params) -> int:
        """Optimiser steps of a training, at most."""
        return self.protocol.budget.steps(len(self.context.subset.train), int(params["batch_size"]))

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


def first(moves: Attempts) -> Params:
    """The first attempt; OhloraError where there is none."""
    params = next(moves, None)
    if params is None:
        raise OhloraError("there is no attempt yet", ("no_attempt", {}))
    return params


def after(moves: Attempts, val_f1: float) -> Params | None:
    """The next attempt once `val_f1` is told; None after the last."""
    try:
        return moves.send(val_f1)
    except StopIteration:
        return None
