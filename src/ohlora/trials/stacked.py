"""Many trials trained as one model: weights side by side, hyperparameters as tensors.

A member of a stack is one trial. Its feature maps are a group of channels among the others', its weights
a slice of every weight, and grouped convolutions keep members apart. What a step costs besides arithmetic
(Python, dispatch, kernel launches) is then paid once for all of them. stack_kernels.py has what is computed
member by member on a CPU, and for all at once elsewhere.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.datasets.loading import EVAL_BATCH
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.trials.augment import Moves
from ohlora.trials.cnn import ACTIVATIONS, halve, score, to_grid
from ohlora.trials.drivers import Check, TrialOutcome, autocast, make_record, untested
from ohlora.trials.memory import fitting_members
from ohlora.trials.protocol import Protocol
from ohlora.trials.stack_kernels import AllMembers, EachMember, Kernels, Norm
from ohlora.trials.stack_members import Lineup, Member, Pool, StackedTrial, by_member, chosen, join


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
        try:
            pool = Pool(one_shape, device, precision)
        except torch.OutOfMemoryError as error:
            raise no_memory(error) from None
        for _, some in groupby(one_shape, family):
            queue = deque(some)
            places = members or fitting_members(queue, protocol.network, device, precision)
            stack = partial(
                Stack,
                pool=pool,
                protocol=protocol,
                device=device,
                precision=precision,
                kernels_for=partial(AllMembers, generator=stream_of(queue, device)) if joint else EachMember,
            )
            yield from while_memory_lasts(stack, queue, places)


def while_memory_lasts(
    stack: Callable[[deque[StackedTrial], int], Stack], trials: Iterable[StackedTrial], places: int
) -> Iterator[tuple[StackedTrial, TrialOutcome]]:
    """Train `trials` in one stack, or in smaller ones where the device's memory runs out.

    Others may take memory of a card after a stack has counted on it. What has not ended then starts again,
    with half as many members side by side. Raises OhloraError where not even one has room.
    """
    left = {id(trial): trial for trial in trials}
    while left:
        try:
            for trial, outcome in stack(deque(left.values()), places).run():
                del left[id(trial)]
                yield trial, outcome
        except torch.OutOfMemoryError as error:
            if places == 1:
                raise no_memory(error) from None
            places = max(1, min(places, len(left)) // 2)
        if left and torch.cuda.is_available():  # out of the handler: its traceback holds the stack's tensors
            torch.cuda.empty_cache()


def no_memory(error: torch.OutOfMemoryError) -> OhloraError:
    return OhloraError(
        "the device has no memory left for even one network and its images: end what else holds it, or"
        " hardware.device=cpu; trials that have ended are kept, the same command goes on"
        f" ({' '.join(str(error).split())[:120]})"
    )


def image_shape(trial: StackedTrial) -> tuple[int, ...]:
    return tuple(trial.subset.train.images.shape[1:])


def family(trial: StackedTrial) -> tuple[int, str]:
    """What the members of one stack have in common."""
    return trial.batch_size, str(trial.key.params["activation"])


def stream_of(trials: Iterable[StackedTrial], device: torch.device) -> torch.Generator:
    """The random stream that the members of one stack share, where they share one."""
    seeds = ",".join(str(trial.key.seed) for trial in trials)
    return torch.Generator(device).manual_seed(zlib.crc32(seeds.encode()))


@dataclass
class Batch:
    """What one step sees; members with fewer than B images are padded."""

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
        kernels_for: Callable[[Lineup], Kernels],
    ) -> None:
        self.queue, self.pool, self.protocol = queue, pool, protocol
        self.device, self.precision, self.kernels_for = device, precision, kernels_for
        self.max_classes = max(len(trial.subset.class_names) for trial in queue)
        self.activation = ACTIVATIONS[family(queue[0])[1]]
        self.members = [self._next_member() for _ in range(min(places, len(queue)))]
        self.shape = self.members[0].module
        self.trained = [name for name, p in self.shape.named_parameters() if p.requires_grad]
        self.state = join([self._padded_state(member) for member in self.members], device)
        self.moments = [{name: torch.zeros_like(self.state[name]) for name in self.trained} for _ in range(2)]
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
        self.weights = {name: self.state[name].detach().requires_grad_() for name in self.trained}
        self.every = {**self.state, **self.weights}
        self.lineup = Lineup(
            self.members, self.trained, self.weights, self.moments, self.max_classes, self.device
        )
        self.kernels = self.kernels_for(self.lineup)

    # One step

    def _train_step(self) -> Tensor:
        """One optimiser step of every member; its training losses [M] on the same batch."""
        batch = self._draw_batch()
        with autocast(self.device, self.precision):
            features = self._features(self.every, len(self.members), batch.images, batch)
            losses = self.kernels.losses(self.every, features, batch.labels, batch.counts)
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
        side = min(self.pool.images.shape[1:3])
        still = set(self.lineup.kinds) == {"none"}
        images = self._gather(where, None if still else self.kernels.moves(counts, size, side))
        return Batch(images, torch.from_numpy(labels).to(self.device), counts)

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
        maps = self.kernels.whiten(self.shape.whitening, s["whitening.weight"], images, m)
        maps = self.activation(maps)
        for place in ("early", "late"):
            maps = halve(F.conv2d(maps, s[f"conv_{place}.weight"], padding=1, groups=m))
            maps = self.activation(self._norm(s, place, maps, batch))
            mask = batch and self.kernels.mask(
                f"dropout_conv_{place}", batch.counts, maps.shape[1] // m, maps
            )
            if mask is not None:
                maps = maps * mask[:, :, None, None]
        features = to_grid(maps, self.shape.head_grid).reshape(len(images), m, -1)
        mask = batch and self.kernels.mask("dropout_fc", batch.counts, features.shape[2], features)
        return features if mask is None else features * mask.view_as(features)

    def _norm(self, s: dict[str, Tensor], place: str, maps: Tensor, batch: Batch | None) -> Tensor:
        """Batch normalisation of every member over its own images."""
        layer = self.shape.get_submodule(f"norm_{place}")
        assert isinstance(layer, torch.nn.BatchNorm2d)
        mean, var, weight, bias = (
            s[f"norm_{place}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        norm = Norm(mean, var, weight, bias, layer.momentum or 0.0, layer.eps)
        if batch is None or batch.whole:
            return F.batch_norm(maps, mean, var, weight, bias, batch is not None, norm.momentum, norm.epsilon)
        return self.kernels.normalise(maps, batch.counts, norm)

    def _update(self) -> None:
        rates = [member.rate() for member in self.members]
        for member in self.members:
            member.step += 1
        self.kernels.update(rates)
        for weight in self.weights.values():
            weight.grad = None

    # Validation, and the end

    def _validate(self, due: list[int], losses: Tensor) -> list[int]:
        """Let members at a check look at their validation images; the places of those that end."""
        checked = [i for i in due if self.members[i].step % self.members[i].check_every == 0]
        ended = {i for i in due if self.members[i].step == self.members[i].steps}
        for places in self.kernels.validated_together(checked):
            state = self._some(places)
            members = [self.members[i] for i in places]
            for i, member, (logits, labels) in zip(
                places, members, self._predict(members, state, "val"), strict=True
            ):
                loss, f1 = score(logits, labels)
                if member.stopping.see(
                    lambda i=i: self._some([i]), Check(member.step, losses[i].item(), loss, f1)
                ):
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
                parts.append(self.kernels.logits(state, members, features))
        logits = [torch.cat(own) for own in zip(*parts, strict=True)]
        return [
            (one[: len(labels), : member.n_classes], labels)
            for one, member, (_, labels) in zip(logits, members, seen, strict=True)
        ]

    def _finish(self, member: Member) -> tuple[StackedTrial, TrialOutcome]:
        started = time.perf_counter()
        i = self.members.index(member)
        state = member.stopping.weights or self._some([i])
        trial = member.trial
        if trial.tested:
            [(logits, labels)] = self._predict([member], state, "test")
        else:
            logits, labels = untested(member.n_classes)
        own = {name: t[: member.n_classes] if name.startswith("head.") else t for name, t in state.items()}
        member.module.load_state_dict({**member.module.state_dict(), **own})
        record = make_record(
            trial.key,
            trial.subset,
            member.stopping,
            steps=member.step,
            test_f1=score(logits, labels)[1] if trial.tested else None,
            elapsed_s=member.seconds + time.perf_counter() - started,
            driver="stacked",
            device=self.device,
            precision=self.precision,
            space=trial.space,
        )
        return trial, TrialOutcome(record, member.module, member.stopping.curve, logits, labels)

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
