"""Members of a stack: one trial each, with its network, its random stream and its part of joined tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ohlora.datasets.loading import SubsetDataModule
from ohlora.datasets.subset import Subset
from ohlora.records.record import TrialKey
from ohlora.schedules import SCHEDULES
from ohlora.trials.cnn import CnnClassifier
from ohlora.trials.drivers import EarlyStopping
from ohlora.trials.protocol import Protocol


@dataclass(frozen=True)
class StackedTrial:
    """One trial to be trained, with the subset its key names."""

    key: TrialKey
    subset: Subset
    space: str  # fingerprint
    tested: bool = True  # scored on the test split, which is not looked at otherwise

    @property
    def batch_size(self) -> int:
        return int(self.key.params["batch_size"])


class Pool:
    """The standardised images of several subsets in one tensor; a subset's splits are ranges of its rows."""

    def __init__(self, trials: Sequence[StackedTrial], device: torch.device, precision: str) -> None:
        # The first layer would round to bf16 anyway.
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        subsets = {id(trial.subset): trial.subset for trial in trials}
        tested = {id(trial.subset) for trial in trials if trial.tested}
        self.data = {key: SubsetDataModule(one, batch_size=1, seed=0) for key, one in subsets.items()}
        self.start: dict[tuple[int, str], int] = {}
        parts: list[Tensor] = []
        begin = 0
        for key, data in self.data.items():
            for name in ("train", "val", *(["test"] if key in tested else [])):
                split = data.split(name)
                self.start[key, name] = begin
                begin += len(split.labels)
                parts.append(split.images.permute(0, 2, 3, 1).to(device, dtype))
        self.images = torch.cat(parts)  # [n, height, width, channels]

    def split(self, subset: Subset, name: str) -> tuple[range, Tensor]:
        """Rows and labels of "train", "val" or "test"."""
        labels = self.data[id(subset)].split(name).labels
        begin = self.start[id(subset), name]
        return range(begin, begin + len(labels)), labels


class Member:
    """One trial on its way: its network, its order of images, its random stream."""

    def __init__(self, trial: StackedTrial, pool: Pool, protocol: Protocol) -> None:
        params, seed = trial.key.params, trial.key.seed
        self.trial = trial
        self.n_classes = len(trial.subset.class_names)
        self.steps = protocol.budget.steps(len(trial.subset.train), trial.batch_size)
        self.check_every = protocol.budget.check_every(self.steps)
        self.stopping = EarlyStopping(protocol.budget.patience)
        self.step = 0
        self.seconds = 0.0
        self.generator = torch.Generator()
        data = pool.data[id(trial.subset)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module = CnnClassifier.build(
                params, protocol.network, data.split("train").images, self.n_classes, self.steps
            )
            self.generator.set_state(torch.get_rng_state())
        rows, labels = pool.split(trial.subset, "train")
        self.labels = labels.numpy()
        self.first_row = rows.start
        self.shuffle = torch.Generator().manual_seed(seed)
        self.order: list[np.ndarray] = []  # what is left of the epoch
        curve = SCHEDULES[str(params["scheduler"])]
        base = float(params["learning_rate"])
        self.rate = lambda: base * curve(self.step / self.steps)

    def next_rows(self) -> np.ndarray:
        """Which training images the next step sees; the last batch of an epoch may be a small one."""
        if not self.order:
            epoch = torch.randperm(len(self.labels), generator=self.shuffle)
            self.order = [rows.numpy() for rows in epoch.split(self.trial.batch_size)]
        return self.order.pop(0)

    def param(self, name: str) -> float:
        return float(self.trial.key.params[name])


@dataclass(frozen=True)
class Lineup:
    """Who is in the stack now, and what is being trained: tensors of all members, one above the other."""

    members: list[Member]
    trained: list[str]  # names of the weights
    weights: dict[str, Tensor]
    moments: list[dict[str, Tensor]]  # of Adam: mean and mean square of the gradients
    max_classes: int
    device: torch.device

    @cached_property
    def kinds(self) -> list[str]:
        """Each member's augmentation."""
        return [str(member.trial.key.params["augmentation"]) for member in self.members]

    @cached_property
    def decoupled(self) -> list[bool]:
        """Whether each member's weight decay is taken off the weights (AdamW) or added to the gradient."""
        return [member.trial.key.params["optimizer"] == "adamw" for member in self.members]

    @cached_property
    def keep(self) -> dict[str, list[float]]:
        """Share of the numbers that each member's dropout keeps, by place."""
        places = ("dropout_conv_early", "dropout_conv_late", "dropout_fc")
        return {name: [1 - member.param(name) for member in self.members] for name in places}


def by_member(tensor: Tensor, m: int) -> Tensor:
    """[M*rows, ...] as [M, rows, ...], the same memory."""
    return tensor.view(m, -1, *tensor.shape[1:])


def grad_of(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad


def chosen(tensor: Tensor, m: int, places: list[int]) -> Tensor:
    """The rows of some members, in the memory format of the whole."""
    some = by_member(tensor, m)[places].flatten(0, 1)
    return some.contiguous(memory_format=torch.channels_last) if some.dim() == 4 else some


def join(states: list[dict[str, Tensor]], device: torch.device) -> dict[str, Tensor]:
    """The states of members as one: every tensor one above the other."""
    joined = {name: torch.cat([state[name] for state in states]).to(device) for name in states[0]}
    return {
        name: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t
        for name, t in joined.items()
    }
