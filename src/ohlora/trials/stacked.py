"""Many trials trained as one model: weights side by side, hyperparameters as tensors.

A member of a stack is one trial. Its feature maps are a group of channels among the others', its weights
a slice of every weight, and grouped convolutions keep members apart. What a step costs besides arithmetic
(Python, dispatch, kernel launches) is then paid once for all of them.

On a CPU every member keeps a random stream of its own and the very kernels of the lean loop, so that a
member's record equals the lean one to the last bit. Elsewhere masks are drawn and weights updated for all
members by joint kernels, and scores are equal in distribution.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.datasets.loading import EVAL_BATCH, SubsetDataModule
from ohlora.datasets.subset import Subset
from ohlora.hardware import Hardware
from ohlora.records.record import TrialKey
from ohlora.schedules import SCHEDULES
from ohlora.trials.augment import Moves
from ohlora.trials.cnn import (
    ACTIVATIONS,
    ADAM_BETAS,
    ADAM_EPSILON,
    CnnClassifier,
    halve,
    score,
    to_grid,
)
from ohlora.trials.drivers import TrialOutcome, Watch, autocast, make_record
from ohlora.trials.protocol import Protocol

MEMBERS_ON_CPU = 8  # more gain nothing: what is left of a step is arithmetic
GPU_MEMORY_SHARE = 0.6  # of what is free when a stack starts; cuDNN's workspaces take from the rest


@dataclass(frozen=True)
class StackedTrial:
    """One trial to be trained, with the subset its key names."""

    key: TrialKey
    subset: Subset
    space: str  # fingerprint

    @property
    def batch_size(self) -> int:
        return int(self.key.params["batch_size"])


def train_stacked(
    trials: Iterable[StackedTrial],
    protocol: Protocol,
    hardware: Hardware,
    members: int | None = None,
    joint: bool | None = None,
) -> Iterator[tuple[StackedTrial, TrialOutcome]]:
    """Train all `trials` and yield each with its outcome as it ends, not in their order.

    Trials of one batch size, activation and image shape share a stack of up to `members` (None: what
    suits the device); a member that ends hands its place to the next trial. `joint` draws and updates
    with kernels common to all members (None: everywhere but on a CPU).
    """
    device, precision = hardware.resolve()
    joint = device.type != "cpu" if joint is None else joint
    # Long trials first: short ones fill the places at the end, when there is nobody left to refill them.
    ordered = sorted(trials, key=lambda trial: (image_shape(trial), family(trial), -len(trial.subset.train)))
    for _, alike in groupby(ordered, image_shape):
        one_shape = list(alike)
        pool = Pool(one_shape, device, precision)
        for _, some in groupby(one_shape, family):
            queue = deque(some)
            places = members or fitting_members(queue, device, precision)
            yield from Stack(queue, places, pool, protocol, device, precision, joint).run()


def image_shape(trial: StackedTrial) -> tuple[int, ...]:
    return tuple(trial.subset.train.images.shape[1:])


def family(trial: StackedTrial) -> tuple[int, str]:
    """What the members of one stack have in common."""
    return trial.batch_size, str(trial.key.params["activation"])


def fitting_members(trials: Iterable[StackedTrial], device: torch.device, precision: str) -> int:
    """How many members a stack of these trials may have on this device."""
    if device.type != "cuda":
        return MEMBERS_ON_CPU
    trials = list(trials)
    _, height, width = image_shape(trials[0])
    batch = max(min(trial.batch_size, len(trial.subset.train)) for trial in trials)
    # Per image: 32 whitened and 32 convolved channels at half the side, about as much again after pooling,
    # norm and mask, all once more for their gradients. A validation sees EVAL_BATCH images, no gradients.
    maps = 2 * (height // 2) * (width // 2) * (32 + 32 + 48) * (2 if precision == "bf16" else 4)
    weights = 6 * 4 * 45_000  # weights, gradients, both moments, the best so far, one cast
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(GPU_MEMORY_SHARE * free / (max(batch, EVAL_BATCH // 2) * maps + weights)))


class Pool:
    """The standardised images of several subsets in one tensor; a subset's splits are ranges of its rows."""

    def __init__(self, trials: Sequence[StackedTrial], device: torch.device, precision: str) -> None:
        # The first layer would round to bf16 anyway.
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        subsets = {id(trial.subset): trial.subset for trial in trials}
        self.data = {key: SubsetDataModule(one, batch_size=1, seed=0) for key, one in subsets.items()}
        self.start: dict[tuple[int, str], int] = {}
        parts: list[Tensor] = []
        begin = 0
        for key, data in self.data.items():
            for name in ("train", "val", "test"):
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
        self.watch = Watch(protocol.budget.patience)
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


@dataclass
class Batch:
    """What one step sees: `rows[b, m]` of the pool; members with fewer than B images are padded."""

    images: Tensor  # [B, M*channels, height, width], channels last
    labels: Tensor  # int64 [M, B]
    counts: list[int]  # images of each member

    @property
    def whole(self) -> bool:
        return min(self.counts) == self.images.shape[0]


class Stack:
    """Members of one batch size and activation, trained together."""

    def __init__(
        self,
        queue: deque[StackedTrial],
        places: int,
        pool: Pool,
        protocol: Protocol,
        device: torch.device,
        precision: str,
        joint: bool,
    ) -> None:
        self.queue, self.pool, self.protocol = queue, pool, protocol
        self.device, self.precision, self.joint = device, precision, joint
        self.max_classes = max(len(trial.subset.class_names) for trial in queue)
        self.activation = ACTIVATIONS[family(queue[0])[1]]
        self.members = [self._next_member() for _ in range(min(places, len(queue)))]
        self.shape = self.members[0].module
        self.trained = [name for name, p in self.shape.named_parameters() if p.requires_grad]
        self.state = join([self._padded_state(member) for member in self.members], device)
        self.moments = [{name: torch.zeros_like(self.state[name]) for name in self.trained} for _ in range(2)]
        seeds = ",".join(str(trial.key.seed) for trial in queue)
        self.joint_generator = torch.Generator(device).manual_seed(zlib.crc32(seeds.encode()))
        self._settle()

    def run(self) -> Iterator[tuple[StackedTrial, TrialOutcome]]:
        """Train until the queue is empty and every member has ended."""
        while self.members:
            started = time.perf_counter()
            losses = self._train_step()
            due = [i for i, m in enumerate(self.members) if m.step % m.check_every == 0 or m.step == m.steps]
            ended = self._validate(due, losses)
            share = (time.perf_counter() - started) / len(self.members)
            for member in self.members:
                member.seconds += share
            if ended:
                yield from [self._finish(self.members[i]) for i in ended]
                self._replace(ended)

    def _next_member(self) -> Member:
        started = time.perf_counter()
        member = Member(self.queue.popleft(), self.pool, self.protocol)
        member.seconds = time.perf_counter() - started
        return member

    def _padded_state(self, member: Member) -> dict[str, Tensor]:
        """The member's weights and statistics, its head widened to the stack's number of classes."""
        missing = self.max_classes - member.n_classes
        state = {k: v for k, v in member.module.state_dict().items() if v.dim()}  # not num_batches_tracked
        for name in ("head.weight", "head.bias"):
            state[name] = F.pad(state[name], (0, 0) * (state[name].dim() - 1) + (0, missing))
        return state

    def _settle(self) -> None:
        """Set what depends on who is in the stack, not on the step."""

        def column(of: Callable[[Member], float]) -> Tensor:
            return torch.tensor([of(member) for member in self.members], device=self.device)

        self.keep = {
            name: [1 - member.param(name) for member in self.members]
            for name in ("dropout_conv_early", "dropout_conv_late", "dropout_fc")
        }
        self.decay = column(lambda member: member.param("weight_decay"))
        self.spread = column(lambda member: member.param("label_smoothing") / member.n_classes)
        self.sharp = column(lambda member: 1 - member.param("label_smoothing"))
        classes = column(lambda member: member.n_classes)
        self.unused = torch.arange(self.max_classes, device=self.device) >= classes[:, None]
        self.kinds = [str(m.trial.key.params["augmentation"]) for m in self.members]
        self.decoupled = [m.trial.key.params["optimizer"] == "adamw" for m in self.members]
        self.weights = {name: self.state[name].detach().requires_grad_() for name in self.trained}
        self.every = {**self.state, **self.weights}
        # A head without its padding: the fused kernel rounds the last few numbers of a tensor in another way.
        self.slices = [
            [
                [
                    by_member(tensors[name].detach(), len(self.members))[i][
                        : len(member.module.get_parameter(name))
                    ]
                    for name in self.trained
                ]
                for tensors in (self.weights, *self.moments)
            ]
            for i, member in enumerate(self.members)
        ]

    # One step

    def _train_step(self) -> Tensor:
        """One optimiser step of every member; its training losses [M] on the same batch."""
        batch = self._draw_batch()
        with autocast(self.device, self.precision):
            features = self._features(self.every, len(self.members), batch.images, batch)
            losses = (self._losses_joint if self.joint else self._losses_each)(features, batch)
        losses.sum().backward()
        with torch.no_grad():
            self._update()
        return losses.detach()

    def _draw_batch(self) -> Batch:
        rows = [member.next_rows() for member in self.members]
        counts = [len(one) for one in rows]
        size = max(counts)
        index = np.zeros((len(rows), size), np.int64)
        labels = np.zeros((len(rows), size), np.int64)
        for i, (one, member) in enumerate(zip(rows, self.members, strict=True)):
            index[i, : len(one)] = one
            index[i] += member.first_row
            labels[i, : len(one)] = member.labels[one]
        where = torch.from_numpy(index).to(self.device)
        images = self._gather(where, None if set(self.kinds) == {"none"} else self._moves(counts, size))
        return Batch(images, torch.from_numpy(labels).to(self.device), counts)

    def _moves(self, counts: list[int], size: int) -> Moves:
        """Random moves of every image of every member, [M*B]."""
        side = min(self.pool.images.shape[1:3])
        if self.joint:
            moves = Moves.draw("shift_flip", size * len(counts), side, self.device, self.joint_generator)
            shifts, flips = (
                torch.tensor([word in kind for kind in self.kinds], device=self.device).repeat_interleave(
                    size
                )
                for word in ("shift", "flip")
            )
            return Moves(moves.down * shifts, moves.right * shifts, moves.mirrored & flips)
        parts = []
        for kind, count, member in zip(self.kinds, counts, self.members, strict=True):
            one = Moves.draw(kind, count, side, self.device, member.generator)
            parts.append([F.pad(t, (0, size - count)) for t in (one.down, one.right, one.mirrored)])
        return Moves(*(torch.cat(same) for same in zip(*parts, strict=True)))

    def _gather(self, where: Tensor, moves: Moves | None) -> Tensor:
        """Images of the pool at rows [M, B] as [B, M*channels, height, width], channels last."""
        m, size = where.shape
        _, height, width, channels = self.pool.images.shape
        if moves is None:
            picked = self.pool.images[where.T].permute(0, 2, 3, 1, 4)
        else:
            rows, columns = moves.pixels(height, width)
            picked = self.pool.images[
                where.T[:, None, None, :],
                rows.view(m, size, height).permute(1, 2, 0)[:, :, None, :],
                columns.view(m, size, width).permute(1, 2, 0)[:, None, :, :],
            ]
        images = picked.reshape(size, height, width, m * channels).permute(0, 3, 1, 2)
        return images.contiguous(memory_format=torch.channels_last)

    def _features(self, s: dict[str, Tensor], m: int, images: Tensor, batch: Batch | None = None) -> Tensor:
        """What the heads of `m` members with joined state `s` see [B, M, features]; `batch` in training."""
        maps = self.activation(self._whiten(s["whitening.weight"], images, m))
        for place in ("early", "late"):
            maps = halve(F.conv2d(maps, s[f"conv_{place}.weight"], padding=1, groups=m))
            maps = self.activation(self._norm(s, place, maps, batch))
            mask = batch and self._mask(f"dropout_conv_{place}", batch, maps.shape[1] // m, maps)
            if mask is not None:
                maps = maps * mask[:, :, None, None]
        features = to_grid(maps, self.shape.head_grid).reshape(len(images), m, -1)
        mask = batch and self._mask("dropout_fc", batch, features.shape[2], features)
        return features if mask is None else features * mask.view_as(features)

    def _logits_each(self, s: dict[str, Tensor], members: Sequence[Member], features: Tensor) -> list[Tensor]:
        """Logits float32 [B, classes] of each member, head by head."""
        m = len(members)
        heads = zip(by_member(s["head.weight"], m), by_member(s["head.bias"], m), members, strict=True)
        return [
            F.linear(features[:, i], weight[: member.n_classes], bias[: member.n_classes]).float()
            for i, (weight, bias, member) in enumerate(heads)
        ]

    def _logits_joint(self, s: dict[str, Tensor], m: int, features: Tensor) -> Tensor:
        """Logits float32 [M, B, widest head] of all members in one product."""
        weight, bias = by_member(s["head.weight"], m), by_member(s["head.bias"], m)
        return torch.baddbmm(bias[:, None], features.transpose(0, 1), weight.transpose(1, 2)).float()

    def _losses_each(self, features: Tensor, batch: Batch) -> Tensor:
        """Training losses [M], by the function the lean loop uses."""
        logits = self._logits_each(self.every, self.members, features)
        return torch.stack(
            [
                F.cross_entropy(one[:n], labels[:n], label_smoothing=member.param("label_smoothing"))
                for one, labels, n, member in zip(
                    logits, batch.labels, batch.counts, self.members, strict=True
                )
            ]
        )

    def _losses_joint(self, features: Tensor, batch: Batch) -> Tensor:
        """Training losses [M], padding and classes a member lacks left out."""
        logits = self._logits_joint(self.every, len(self.members), features)
        log_p = F.log_softmax(logits.masked_fill(self.unused[:, None], -1e30), dim=2)
        counts = torch.tensor(batch.counts, device=self.device)
        target = (self.spread / counts)[:, None, None].expand(log_p.shape).clone()
        sharp = (self.sharp / counts)[:, None, None].expand(*batch.labels.shape, 1)
        target.scatter_add_(2, batch.labels[:, :, None], sharp)
        padding = torch.arange(log_p.shape[1], device=self.device) >= counts[:, None]
        target.masked_fill_(self.unused[:, None] | padding[:, :, None], 0)
        return -(log_p * target).sum((1, 2))

    def _whiten(self, kernels: Tensor, images: Tensor, m: int) -> Tensor:
        layer = self.shape.whitening
        stride, padding = layer.stride[0], layer.kernel_size[0] // 2
        if self.joint:
            return F.conv2d(images, kernels, stride=stride, padding=padding, groups=m)
        # With one or three channels a group, one by one is as fast, and adds up in the lean loop's order.
        one_by_one = zip(images.chunk(m, 1), by_member(kernels, m), strict=True)
        return torch.cat([F.conv2d(x, w, stride=stride, padding=padding) for x, w in one_by_one], 1)

    def _norm(self, s: dict[str, Tensor], place: str, maps: Tensor, batch: Batch | None) -> Tensor:
        """Batch normalisation of every member over its own images."""
        norm = self.shape.get_submodule(f"norm_{place}")
        assert isinstance(norm, torch.nn.BatchNorm2d)
        mean, var, weight, bias = (
            s[f"norm_{place}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        momentum = norm.momentum or 0.0
        if batch is None or batch.whole:
            return F.batch_norm(maps, mean, var, weight, bias, batch is not None, momentum, norm.eps)
        if self.joint:
            return masked_batch_norm(maps, batch.counts, mean, var, weight, bias, momentum, norm.eps)
        if maps.requires_grad:
            # Slicing leaves the gradient in another format, which the maps before pooling, four times as
            # large, would be copied out of twice.
            maps.register_hook(lambda grad: grad.contiguous(memory_format=torch.channels_last))
        channels = norm.num_features
        parts, begin = [], 0
        for count, run in groupby(batch.counts):
            of = slice(begin * channels, (begin := begin + len(list(run))) * channels)
            some = maps[:count, of].contiguous(memory_format=torch.channels_last)
            some = F.batch_norm(some, mean[of], var[of], weight[of], bias[of], True, momentum, norm.eps)
            parts.append(F.pad(some, (0, 0, 0, 0, 0, 0, 0, len(maps) - count)))
        return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)

    def _mask(self, name: str, batch: Batch, width: int, like: Tensor) -> Tensor | None:
        """Dropout factors [B, M*width]: 0, or 1 / keep; None where no member drops anything."""
        keep = self.keep[name]
        if min(keep) == 1:
            return None
        size = len(batch.images)
        if self.joint:
            share = torch.tensor(keep, device=self.device).repeat_interleave(width)
            drawn = torch.rand(size, len(share), device=self.device, generator=self.joint_generator)
            return ((drawn < share) / share).to(like.dtype)
        mask = like.new_ones(size, len(keep) * width)
        for i, (k, count, member) in enumerate(zip(keep, batch.counts, self.members, strict=True)):
            if k < 1:
                one = like.new_empty(count, width).bernoulli_(k, generator=member.generator).div_(k)
                mask[:count, i * width : (i + 1) * width] = one
        return mask

    def _update(self) -> None:
        """One Adam or AdamW step of every member, each at its own rate."""
        rates = [member.rate() for member in self.members]
        for member in self.members:
            member.step += 1
        if self.joint:
            self._update_joint(rates)
        else:
            self._update_each(rates)
        for weight in self.weights.values():
            weight.grad = None

    def _update_each(self, rates: list[float]) -> None:
        """Member by member, with the fused kernel torch.optim uses: the same bits."""
        gradients = zip(
            *(by_member(grad_of(self.weights[name]), len(self.members)) for name in self.trained), strict=True
        )
        for i, (member, rate, own) in enumerate(zip(self.members, rates, gradients, strict=True)):
            kernel = torch._fused_adamw_ if self.decoupled[i] else torch._fused_adam_
            weights, mean, square = self.slices[i]
            grad = [g[: len(w)] for g, w in zip(own, weights, strict=True)]
            kernel(
                weights,
                grad,
                mean,
                square,
                [],
                [torch.tensor(float(member.step))] * len(weights),
                lr=rate,
                beta1=ADAM_BETAS[0],
                beta2=ADAM_BETAS[1],
                weight_decay=member.param("weight_decay"),
                eps=ADAM_EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def _update_joint(self, rates: list[float]) -> None:
        """All members at once (arXiv:1412.6980, algorithm 1; decay as in arXiv:1711.05101)."""
        m = len(self.members)
        rate = torch.tensor(rates, device=self.device)
        decoupled = torch.tensor(self.decoupled, device=self.device)
        shrink = torch.where(decoupled, 1 - rate * self.decay, 1.0)
        into_grad = torch.where(decoupled, 0.0, self.decay)
        steps = torch.tensor([float(member.step) for member in self.members], device=self.device)
        first, second = (1 - beta**steps for beta in ADAM_BETAS)
        for name, weight in self.weights.items():
            w, grad, mean, square = (
                by_member(t, m) for t in (weight, grad_of(weight), *(each[name] for each in self.moments))
            )

            def wide(values: Tensor, dims: int = w.dim()) -> Tensor:
                return values.view(-1, *(1,) * (dims - 1))

            w.mul_(wide(shrink))
            grad = grad.addcmul(w, wide(into_grad))
            mean.lerp_(grad, 1 - ADAM_BETAS[0])
            square.mul_(ADAM_BETAS[1]).addcmul_(grad, grad, value=1 - ADAM_BETAS[1])
            size = (square / wide(second)).sqrt_().add_(ADAM_EPSILON)
            w.sub_(mean * wide(rate / first) / size)

    # Validation, and the end

    def _validate(self, due: list[int], losses: Tensor) -> list[int]:
        """Let members at a check look at their validation images; the places of those that end."""
        checked = [i for i in due if self.members[i].step % self.members[i].check_every == 0]
        together = [checked] if self.joint and checked else [[i] for i in checked]
        ended = {i for i in due if self.members[i].step == self.members[i].steps}
        for places in together:
            state = self._some(places)
            members = [self.members[i] for i in places]
            for i, member, (logits, labels) in zip(
                places, members, self._predict(members, state, "val"), strict=True
            ):
                loss, f1 = score(logits, labels)
                if member.watch.see(lambda i=i: self._some([i]), member.step, losses[i].item(), loss, f1):
                    ended.add(i)
        return sorted(ended)

    def _some(self, places: list[int]) -> dict[str, Tensor]:
        """State of some members, as a stack of its own."""
        m = len(self.members)
        if len(places) == 1:
            return {name: by_member(t, m)[places[0]] for name, t in self.state.items()}
        return {name: chosen(t, m, places) for name, t in self.state.items()}

    @torch.no_grad()
    def _predict(
        self, members: Sequence[Member], state: dict[str, Tensor], split: str
    ) -> list[tuple[Tensor, Tensor]]:
        """Logits [n, classes] and labels [n] of each member's own images, on the CPU."""
        seen = [self.pool.split(member.trial.subset, split) for member in members]
        longest = max(len(rows) for rows, _ in seen)
        index = torch.tensor([[*rows, *[rows[0]] * (longest - len(rows))] for rows, _ in seen])
        parts: list[list[Tensor]] = []
        for some in index.split(EVAL_BATCH, dim=1):
            with autocast(self.device, self.precision):
                images = self._gather(some.to(self.device), None)
                features = self._features(state, len(members), images)
                if self.joint:
                    parts.append(list(self._logits_joint(state, len(members), features).cpu()))
                else:
                    parts.append(self._logits_each(state, members, features))
        logits = [torch.cat(own) for own in zip(*parts, strict=True)]
        return [
            (one[: len(labels), : member.n_classes], labels)
            for one, member, (_, labels) in zip(logits, members, seen, strict=True)
        ]

    def _finish(self, member: Member) -> tuple[StackedTrial, TrialOutcome]:
        started = time.perf_counter()
        i = self.members.index(member)
        state = member.watch.weights or self._some([i])
        [(logits, labels)] = self._predict([member], state, "test")
        own = {name: t[: member.n_classes] if name.startswith("head.") else t for name, t in state.items()}
        member.module.load_state_dict({**member.module.state_dict(), **own})
        trial = member.trial
        record = make_record(
            trial.key,
            trial.subset,
            member.watch,
            steps=member.step,
            test_f1=score(logits, labels)[1],
            elapsed_s=member.seconds + time.perf_counter() - started,
            driver="stacked",
            device=self.device,
            precision=self.precision,
            space=trial.space,
        )
        return trial, TrialOutcome(record, member.module, member.watch.curve, logits, labels)

    def _replace(self, ended: list[int]) -> None:
        """Give the places of members that ended to the next in the queue, or close them."""
        m = len(self.members)
        closed = set(ended)
        for i in ended:
            if not self.queue:
                break
            closed.remove(i)
            self.members[i] = self._next_member()
            fresh = self._padded_state(self.members[i])
            for name, tensor in self.state.items():
                by_member(tensor, m)[i].copy_(fresh[name])
            for moment in self.moments:
                for tensor in moment.values():
                    by_member(tensor, m)[i].zero_()
        if closed:
            staying = [i for i in range(m) if i not in closed]
            self.members = [self.members[i] for i in staying]
            if not staying:
                return
            self.state = {name: chosen(t, m, staying) for name, t in self.state.items()}
            self.moments = [
                {name: chosen(t, m, staying) for name, t in moment.items()} for moment in self.moments
            ]
        self._settle()


def masked_batch_norm(
    maps: Tensor,
    counts: list[int],
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    momentum: float,
    epsilon: float,
) -> Tensor:
    """Batch normalisation of [B, M*channels, h, w]; member m's statistics come from `counts[m]` images."""
    size, _, height, width = maps.shape
    m = len(counts)
    n = torch.tensor(counts, device=maps.device)
    seen = (torch.arange(size, device=maps.device)[:, None] < n)[:, :, None, None, None]
    values = maps.float().view(size, m, -1, height, width)
    pixels = (n * height * width)[:, None]
    mean = (values * seen).sum((0, 3, 4)) / pixels
    centred = values - mean[:, :, None, None]
    var = (centred.square() * seen).sum((0, 3, 4)) / pixels
    with torch.no_grad():
        running_mean.lerp_(mean.flatten(), momentum)
        # The running variance is the unbiased one, as in nn.BatchNorm2d.
        running_var.lerp_((var * pixels / (pixels - 1)).flatten(), momentum)
    scale = (var + epsilon).rsqrt() * weight.view(m, -1)
    out = centred * scale[:, :, None, None] + bias.view(m, -1)[:, :, None, None]
    return out.view_as(maps).to(maps.dtype)


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
