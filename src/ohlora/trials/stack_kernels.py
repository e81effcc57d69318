"""The two ways a stack computes what differs between its members.

`EachMember` goes through them one by one, with the random stream and the kernels of the lean loop, so that a
member's record equals the lean one to the last bit. `AllMembers` draws masks and updates weights by kernels
common to all, and scores are equal in distribution: on a GPU a kernel's launch costs more than its work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.trials.augment import Moves
from ohlora.trials.cnn import ADAM_BETAS, ADAM_EPSILON
from ohlora.trials.stack_members import Lineup, Member, by_member, grad_of

State = dict[str, Tensor]  # weights and statistics of some members, one above the other


class Norm(NamedTuple):
    """A batch normalisation of all members."""

    mean: Tensor  # running
    var: Tensor
    weight: Tensor
    bias: Tensor
    momentum: float
    epsilon: float


class Kernels(Protocol):
    """What is done member by member or for all at once; M members, batches of B images, padded."""

    def moves(self, counts: list[int], size: int, side: int) -> Moves:
        """Augmentation of every image of every member, [M*B]."""
        ...

    def whiten(self, layer: nn.Conv2d, kernels: Tensor, images: Tensor, m: int) -> Tensor:
        """The fixed first layer of `m` members."""
        ...

    def normalise(self, maps: Tensor, counts: list[int], norm: Norm) -> Tensor:
        """Batch normalisation in training, each member over its own `counts` images."""
        ...

    def mask(self, name: str, counts: list[int], width: int, like: Tensor) -> Tensor | None:
        """Dropout factors [B, M*width]: 0, or 1 / keep; None where no member drops anything."""
        ...

    def losses(self, state: State, features: Tensor, labels: Tensor, counts: list[int]) -> Tensor:
        """Training losses [M] from what the heads see, [B, M, features], and labels [M, B]."""
        ...

    def logits(self, state: State, members: Sequence[Member], features: Tensor) -> list[Tensor]:
        """Logits float32 [B, classes or more] of each member, on the CPU."""
        ...

    def update(self, rates: list[float]) -> None:
        """One Adam or AdamW step of every member, each at its own rate."""
        ...

    def validated_together(self, places: list[int]) -> list[list[int]]:
        """Which of the members to be validated now go through the network side by side."""
        ...


class EachMember:
    """Member by member: equal to the lean loop to the last bit, but for convolutions (docs/train.md)."""

    def __init__(self, lineup: Lineup) -> None:
        self.lineup = lineup
        # A head without its padding: the fused kernel rounds the last few numbers of a tensor in another way.
        self.slices = [
            [
                [
                    by_member(tensors[name].detach(), len(lineup.members))[i][
                        : len(member.module.get_parameter(name))
                    ]
                    for name in lineup.trained
                ]
                for tensors in (lineup.weights, *lineup.moments)
            ]
            for i, member in enumerate(lineup.members)
        ]

    def moves(self, counts: list[int], size: int, side: int) -> Moves:
        parts = []
        for kind, count, member in zip(self.lineup.kinds, counts, self.lineup.members, strict=True):
            one = Moves.draw(kind, count, side, self.lineup.device, member.generator)
            parts.append([F.pad(t, (0, size - count)) for t in (one.down, one.right, one.mirrored)])
        return Moves(*(torch.cat(same) for same in zip(*parts, strict=True)))

    def whiten(self, layer: nn.Conv2d, kernels: Tensor, images: Tensor, m: int) -> Tensor:
        # With one or three channels a group, one by one is as fast, and adds up in the lean loop's order.
        stride, padding = layer.stride[0], layer.kernel_size[0] // 2
        one_by_one = zip(images.chunk(m, 1), by_member(kernels, m), strict=True)
        return torch.cat([F.conv2d(x, w, stride=stride, padding=padding) for x, w in one_by_one], 1)

    def normalise(self, maps: Tensor, counts: list[int], norm: Norm) -> Tensor:
        if maps.requires_grad:
            # Slicing leaves the gradient in another format, which the maps before pooling, four times as
            # large, would be copied out of twice.
            maps.register_hook(lambda grad: grad.contiguous(memory_format=torch.channels_last))
        channels = maps.shape[1] // len(counts)
        parts, begin = [], 0
        for count, run in groupby(counts):
            of = slice(begin * channels, (begin := begin + len(list(run))) * channels)
            some = maps[:count, of].contiguous(memory_format=torch.channels_last)
            own = (norm.mean[of], norm.var[of], norm.weight[of], norm.bias[of])
            some = F.batch_norm(some, *own, True, norm.momentum, norm.epsilon)
            parts.append(F.pad(some, (0, 0, 0, 0, 0, 0, 0, len(maps) - count)))
        return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)

    def mask(self, name: str, counts: list[int], width: int, like: Tensor) -> Tensor | None:
        keep = self.lineup.keep[name]
        if min(keep) == 1:
            return None
        mask = like.new_ones(len(like), len(keep) * width)
        for i, (k, count, member) in enumerate(zip(keep, counts, self.lineup.members, strict=True)):
            if k < 1:
                one = like.new_empty(count, width).bernoulli_(k, generator=member.generator).div_(k)
                mask[:count, i * width : (i + 1) * width] = one
        return mask

    def losses(self, state: State, features: Tensor, labels: Tensor, counts: list[int]) -> Tensor:
        members = self.lineup.members
        logits = self.logits(state, members, features)
        return torch.stack(
            [
                F.cross_entropy(one[:n], own[:n], label_smoothing=member.param("label_smoothing"))
                for one, own, n, member in zip(logits, labels, counts, members, strict=True)
            ]
        )

    def logits(self, state: State, members: Sequence[Member], features: Tensor) -> list[Tensor]:
        m = len(members)
        heads = zip(
            by_member(state["head.weight"], m), by_member(state["head.bias"], m), members, strict=True
        )
        return [
            F.linear(features[:, i], weight[: member.n_classes], bias[: member.n_classes]).float()
            for i, (weight, bias, member) in enumerate(heads)
        ]

    def update(self, rates: list[float]) -> None:
        lineup = self.lineup
        gradients = zip(
            *(by_member(grad_of(lineup.weights[name]), len(lineup.members)) for name in lineup.trained),
            strict=True,
        )
        for i, (member, rate, own) in enumerate(zip(lineup.members, rates, gradients, strict=True)):
            # The fused kernel torch.optim uses: the same bits.
            kernel = torch._fused_adamw_ if lineup.decoupled[i] else torch._fused_adam_
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

    def validated_together(self, places: list[int]) -> list[list[int]]:
        return [[i] for i in places]


class AllMembers:
    """All members at once: equal to the lean loop in distribution."""

    def __init__(self, lineup: Lineup, generator: torch.Generator) -> None:
        self.lineup, self.generator = lineup, generator

        def column(of: Callable[[Member], float]) -> Tensor:
            return torch.tensor([of(member) for member in lineup.members], device=lineup.device)

        self.decay = column(lambda member: member.param("weight_decay"))
        self.spread = column(lambda member: member.param("label_smoothing") / member.n_classes)
        self.sharp = column(lambda member: 1 - member.param("label_smoothing"))
        classes = column(lambda member: member.n_classes)
        self.unused = torch.arange(lineup.max_classes, device=lineup.device) >= classes[:, None]

    def moves(self, counts: list[int], size: int, side: int) -> Moves:
        device = self.lineup.device
        moves = Moves.draw("shift_flip", size * len(counts), side, device, self.generator)
        shifts, flips = (
            torch.tensor([word in kind for kind in self.lineup.kinds], device=device).repeat_interleave(size)
            for word in ("shift", "flip")
        )
        return Moves(moves.down * shifts, moves.right * shifts, moves.mirrored & flips)

    def whiten(self, layer: nn.Conv2d, kernels: Tensor, images: Tensor, m: int) -> Tensor:
        stride, padding = layer.stride[0], layer.kernel_size[0] // 2
        return F.conv2d(images, kernels, stride=stride, padding=padding, groups=m)

    def normalise(self, maps: Tensor, counts: list[int], norm: Norm) -> Tensor:
        return masked_batch_norm(maps, counts, *norm)

    def mask(self, name: str, counts: list[int], width: int, like: Tensor) -> Tensor | None:
        keep = self.lineup.keep[name]
        if min(keep) == 1:
            return None
        device = self.lineup.device
        share = torch.tensor(keep, device=device).repeat_interleave(width)
        drawn = torch.rand(len(like), len(share), device=device, generator=self.generator)
        return ((drawn < share) / share).to(like.dtype)

    def losses(self, state: State, features: Tensor, labels: Tensor, counts: list[int]) -> Tensor:
        """Padding, and classes that a member lacks, are left out."""
        logits = self._joint_logits(state, len(self.lineup.members), features)
        log_p = F.log_softmax(logits.masked_fill(self.unused[:, None], -1e30), dim=2)
        images = torch.tensor(counts, device=self.lineup.device)
        target = (self.spread / images)[:, None, None].expand(log_p.shape).clone()
        sharp = (self.sharp / images)[:, None, None].expand(*labels.shape, 1)
        target.scatter_add_(2, labels[:, :, None], sharp)
        padding = torch.arange(log_p.shape[1], device=self.lineup.device) >= images[:, None]
        target.masked_fill_(self.unused[:, None] | padding[:, :, None], 0)
        return -(log_p * target).sum((1, 2))

    def logits(self, state: State, members: Sequence[Member], features: Tensor) -> list[Tensor]:
        return list(self._joint_logits(state, len(members), features).cpu())

    def _joint_logits(self, state: State, m: int, features: Tensor) -> Tensor:
        """Logits float32 [M, B, widest head] of all members in one product."""
        weight, bias = by_member(state["head.weight"], m), by_member(state["head.bias"], m)
        return torch.baddbmm(bias[:, None], features.transpose(0, 1), weight.transpose(1, 2)).float()

    def update(self, rates: list[float]) -> None:
        """Adam as in arXiv:1412.6980, algorithm 1; decay as in arXiv:1711.05101."""
        lineup = self.lineup
        m = len(lineup.members)
        rate = torch.tensor(rates, device=lineup.device)
        decoupled = torch.tensor(lineup.decoupled, device=lineup.device)
        shrink = torch.where(decoupled, 1 - rate * self.decay, 1.0)
        into_grad = torch.where(decoupled, 0.0, self.decay)
        steps = torch.tensor([float(member.step) for member in lineup.members], device=lineup.device)
        first, second = (1 - beta**steps for beta in ADAM_BETAS)
        for name, weight in lineup.weights.items():
            w, grad, mean, square = (
                by_member(t, m) for t in (weight, grad_of(weight), *(each[name] for each in lineup.moments))
            )

            def wide(values: Tensor, dims: int = w.dim()) -> Tensor:
                return values.view(-1, *(1,) * (dims - 1))

            w.mul_(wide(shrink))
            grad = grad.addcmul(w, wide(into_grad))
            mean.lerp_(grad, 1 - ADAM_BETAS[0])
            square.mul_(ADAM_BETAS[1]).addcmul_(grad, grad, value=1 - ADAM_BETAS[1])
            size = (square / wide(second)).sqrt_().add_(ADAM_EPSILON)
            w.sub_(mean * wide(rate / first) / size)

    def validated_together(self, places: list[int]) -> list[list[int]]:
        return [places] if places else []


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
