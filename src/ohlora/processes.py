"""One model in several processes (`trainer=ddp | ddp_cpu`): who writes, whose share, sums over all.

Processes share each batch, its normalisation and its gradient, so the model is the one a single process
would train on the same batches; only random draws (dropout, augmentation) differ. Nothing needs NCCL.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from subprocess import Popen
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy as FabricDDP
from lightning.pytorch.plugins import LayerSync
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ohlora import signals
from ohlora.errors import OhloraError

GROUP_TIMEOUT = timedelta(minutes=10)  # one works this long and the others wait: it hangs
_group_size = 1  # remembered: Lightning forgets it once an error is on its way
Devices = int | Literal["auto"] | Sequence[int]


def rank() -> int:
    """This process's number, 0 where it is alone."""
    return dist.get_rank() if joined() else int(getattr(rank_zero_only, "rank", 0))


def world_size() -> int:
    return dist.get_world_size() if joined() else 1


def is_main() -> bool:
    """Whether this process speaks for all: it alone writes records, reports, pictures and logs."""
    return rank() == 0


def joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def process_count(devices: Devices, device: torch.device) -> int:
    """How many processes `trainer.devices` asks for on devices of this kind; refuse what is not here."""
    cards = torch.cuda.device_count() if device.type == "cuda" else None
    faults: list[str] = []
    if isinstance(devices, int | str):
        count = cards or 1 if devices in ("auto", -1) else int(devices)
        if cards is not None and count > cards:
            faults.append(f"but the cards here are {cards}")
    else:
        count = len(devices)
        if cards is None:
            faults.append(f"names cards, but the device is {device.type}")
        elif max(devices) >= cards:
            faults.append(f"but the cards here are 0 to {cards - 1}")
    if count > 1 and device.type not in ("cpu", "cuda"):
        faults.append(f"but several processes need cuda or cpu, not {device.type}")
    if count > 1 and not dist.is_available():
        faults.append("but this build of torch has no torch.distributed")
    if faults:
        shown = devices if isinstance(devices, int | str) else list(devices)
        raise OhloraError("; ".join(f"trainer.devices={shown}, {fault}" for fault in faults))
    return count


def trainer_arguments(arguments: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """`arguments` for lightning.Trainer: of one process the card, of several what they need."""
    devices = arguments.get("devices", 1)
    if process_count(devices, device) == 1:
        counted = isinstance(devices, int | str)  # Lightning would take the first card
        return {**arguments, "devices": [device.index]} if counted and device.index else dict(arguments)
    nccl = device.type == "cuda" and dist.is_nccl_available()  # Windows has none
    os.environ[signals.PARENT] = str(os.getpid())
    strategy = WatchedDDP(process_group_backend="nccl" if nccl else "gloo", timeout=GROUP_TIMEOUT)
    return {**arguments, "strategy": strategy, "plugins": [SharedStatistics()]}


def own_draws() -> None:
    """Give each process random numbers of its own; those of the first stay as they are."""
    if rank():
        torch.manual_seed(torch.initial_seed() + rank())


def start_processes(count: int) -> None:
    """Start the other processes of a job without a Trainer: each runs this very command again."""
    if count > 1:
        os.environ[signals.PARENT] = str(os.getpid())
        strategy = WatchedFabricDDP(process_group_backend="gloo", timeout=GROUP_TIMEOUT)
        Fabric(accelerator="cpu", devices=count, strategy=strategy).launch()


class WatchedDDP(DDPStrategy):
    """Lightning's, whose first process says which other one died: a collective says nothing or waits."""

    def setup_environment(self) -> None:
        watch_children(getattr(self.launcher, "procs", []), self.num_processes)
        super().setup_environment()

    def barrier(self, *args: Any, **kwargs: Any) -> None:
        # Lightning has just put a handler on SIGTERM that begins a collective: with a process dead, or amid
        # another collective, that never ends.
        signals.mean_ctrl_c(over_others=True)
        super().barrier(*args, **kwargs)


class WatchedFabricDDP(FabricDDP):
    """The same for a job without a Trainer."""

    def setup_environment(self) -> None:
        watch_children(getattr(self.launcher, "procs", []), self.num_processes)
        super().setup_environment()


def watch_children(processes: Sequence[Popen[bytes]], count: int) -> None:
    """End this process, saying why, when one of those it started ends badly; `count` are in the group."""
    global _group_size
    _group_size = count
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            # Lightning's own watch would kill this process, which then says and keeps nothing.
            vars(thread)["_child_processes"] = []
    if processes:
        threading.Thread(target=_watch, args=(list(processes),), daemon=True).start()


def _watch(processes: list[Popen[bytes]]) -> None:
    while True:
        for number, process in enumerate(processes, start=1):
            if code := process.poll():
                if code == signals.INTERRUPTED:
                    time.sleep(2)  # by a Ctrl-C that this one is answering, too
                how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
                signals.interrupt(
                    f"process {number} of {len(processes) + 1} (trainer.devices) {how}, and so all end; what"
                    " was finished is kept",
                    exit_code=1,
                    grace_s=3,
                )
        time.sleep(signals.LOOK_EVERY_S)


@contextmanager
def say_who_died() -> Iterator[None]:
    """Let an error of a broken process group become one line."""
    try:
        yield
    except RuntimeError as error:
        if _group_size < 2 or not _of_the_group(error):
            raise
        time.sleep(4 * signals.LOOK_EVERY_S)  # whoever watches the dead process interrupts this
        if rank():
            sys.exit(1)  # the first process speaks
        minutes = GROUP_TIMEOUT.total_seconds() / 60
        raise OhloraError(
            f"one of the {_group_size} processes (trainer.devices) has not answered the others; they wait"
            f" {minutes:.0f} minutes at most"
        ) from error


def _of_the_group(error: RuntimeError) -> bool:
    ours = (getattr(dist, "DistError", ()),)
    return isinstance(error, ours) or any(word in str(error) for word in ("gloo", "Gloo", "NCCL"))


def share(n: int) -> float:
    """Weight of a mean over this process's `n` rows, so that the mean over processes is that over all."""
    if world_size() == 1:
        return 1.0
    return n * world_size() / float(summed(torch.tensor(float(n), device=collective_device())))


def collective_device() -> torch.device:
    """Where a number must lie to be summed: NCCL knows only cards."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, in each of them; gradients flow back to every process."""
    return _Summed.apply(tensor) if world_size() > 1 else tensor  # type: ignore[return-value]


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # type: ignore[override]
        total = tensor.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _Summed.forward(ctx, gradient)


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation over the images of all processes; torch's SyncBatchNorm is for cards only."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))  # bf16 would blur the statistics
        others = [d for d in range(x.ndim) if d != 1]
        variance, mean = torch.var_mean(x, dim=others, correction=0)
        count = torch.full_like(mean, x.numel() / x.shape[1])
        place = F.one_hot(torch.tensor(rank(), device=x.device), world_size()).view(-1, 1, 1)
        # Every process's count, mean and variance, put together as in Chan et al. (1979).
        counts, means, variances = summed(place * torch.stack([count, mean, variance])).unbind(dim=1)
        total = counts.sum(dim=0)
        mean = (counts * means).sum(dim=0) / total
        variance = (counts * (variances + (means - mean).square())).sum(dim=0) / total
        if self.running_mean is not None and self.running_var is not None:
            assert self.momentum is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            unbiased = variance.detach() * total / (total - 1).clamp_min(1)
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        x = (x - mean.view(shape)) * scale.view(shape)
        return (x + self.bias.view(shape) if self.affine else x).to(input.dtype)


class SharedStatistics(LayerSync):
    """Lightning's way of exchanging the normalisation layers for the time of a fit."""

    def __init__(self) -> None:
        self.replaced: list[tuple[nn.Module, str, nn.Module]] = []

    def apply(self, model: Any) -> Any:
        for parent in list(model.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, _BatchNorm):
                    setattr(parent, name, self.shared(layer))
                    self.replaced.append((parent, name, layer))
        return model

    def revert(self, model: Any) -> Any:
        for parent, name, layer in self.replaced:
            trained = getattr(parent, name)
            layer.weight, layer.bias = trained.weight, trained.bias
            for buffer, value in trained.named_buffers(recurse=False):
                setattr(layer, buffer, value)  # another tensor since the model moved to its card
            setattr(parent, name, layer)
        self.replaced.clear()
        return model

    @staticmethod
    def shared(layer: _BatchNorm) -> SharedBatchNorm:
        """The same parameters and buffers under another forward."""
        other = SharedBatchNorm(layer.num_features, layer.eps, layer.momentum, affine=False)
        other.affine, other.weight, other.bias = layer.affine, layer.weight, layer.bias
        for name, buffer in layer.named_buffers(recurse=False):
            other.register_buffer(name, buffer)
        return other.train(layer.training)
