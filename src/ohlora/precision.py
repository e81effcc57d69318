"""Which devices this machine has, and whether bf16 is native there or only emulated."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock, current_thread, main_thread
from typing import Any

import torch
import torch.nn.functional as F
from threadpoolctl import ThreadpoolController, threadpool_limits

from ohlora.errors import OhloraError
from ohlora.hardware import Hardware

NATIVE_BF16 = {"avx512_bf16", "amx_bf16"}  # flags of x86 processors
AMPERE = 8  # CUDA compute capability from which bf16 is native
WORTH = 1.3  # times faster than fp32, or a measurement under load could fall either way


def use_threads(hardware: Hardware) -> None:
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
        threadpool_limits(hardware.threads, user_api="blas")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many of torch's threads within: for large pictures inside what is done by `one_thread`."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Small networks and matrices are slower by several threads, thirty times so beside other work.

    Of torch's, and of the BLAS under NumPy and SciPy, whose idle threads wait by spinning. Both counts belong
    to the whole process. So only the main thread sets torch's: a thread that computes for the first time
    while it stands at one would keep one for good.
    """
    alone = current_thread() is main_thread()
    with threads(1) if alone else nullcontext(), one_blas_thread:
        yield


class OneBlasThread:
    """A context shared by threads: the first to enter sets the BLAS to one thread, the last resets it."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = libraries("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


one_blas_thread = OneBlasThread()


@cache
def libraries(scipy: bool) -> ThreadpoolController:
    """Those with threads of their own, looked for again once `scipy` is loaded: it takes 10 ms."""
    return ThreadpoolController()


def resolve(hardware: Hardware) -> tuple[torch.device, str]:
    """The device, and "bf16" or "32": for precision=auto the faster one there."""
    name = best_device() if hardware.device == "auto" else hardware.device
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch built without CUDA
        why = str(error).split(". ")[0].split(" device type at start")[0] or type(error).__name__
        raise OhloraError(
            f"hardware.device={name} cannot be used here ({why}); auto | cpu | cuda | mps"
        ) from None
    if hardware.precision != "auto":
        return device, hardware.precision
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device)[0] >= AMPERE
    else:
        native = device.type == "cpu" and cpu_has_bf16()
    return device, "bf16" if native else "32"


def best_device() -> str:
    """The device that `auto` takes."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@cache
def cpu_has_bf16() -> bool:
    """Whether bf16 is faster than fp32 on this processor.

    Linux tells by the processor's flags, so that every process of a sweep decides alike; elsewhere a
    convolution is timed. oneDNN's own answer is true as well where it only emulates bf16 with AVX-512.
    """
    flags = processor_flags()
    if flags is not None:
        return bool(flags & NATIVE_BF16) and torch.backends.mkldnn.is_available()
    return bf16_speed() > WORTH


def processor_flags(path: Path = Path("/proc/cpuinfo")) -> set[str] | None:
    """Flags of an x86 processor, where Linux tells them."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), None)


def bf16_speed() -> float:
    """How many times faster than fp32 a small convolution is in bf16 on the CPU; takes about 50 ms."""
    images, kernels = torch.ones(16, 32, 14, 14), torch.ones(32, 32, 3, 3)

    def seconds(dtype: torch.dtype) -> float:
        x, w = (t.to(dtype, memory_format=torch.channels_last) for t in (images, kernels))
        return fastest(lambda: F.conv2d(x, w, padding=1))

    try:
        with torch.no_grad():
            return seconds(torch.float32) / seconds(torch.bfloat16)
    except RuntimeError:  # no bf16 convolution in this build
        return 0.0


def fastest(act: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest run after a first one, which prepares kernels."""
    act()
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        spent.append(time.perf_counter() - started)
    return min(spent)
