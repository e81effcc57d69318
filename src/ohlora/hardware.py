"""Where a job runs and in which arithmetic: settings alone. precision.py asks what this machine has."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from ohlora.config import Count, config, deferred


def _known_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("not one of auto | cpu | cuda | cuda:0, cuda:1 ... | mps")
    return name


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value  # YAML reads 32 as a number


Device = Annotated[str, AfterValidator(_known_device)]
Precision = Annotated[Literal["auto", "32", "bf16"], BeforeValidator(_as_text)]


@config
class Hardware:
    """Where a job runs and in which arithmetic."""

    device: Device  # auto: a CUDA card, else Apple's mps, else the CPU
    precision: Precision  # auto: bf16 where the device computes it natively, else 32
    threads: Count | None  # of torch on the CPU; None: torch's own choice

    resolve = deferred("ohlora.precision", "resolve")
    use_threads = deferred("ohlora.precision", "use_threads")
