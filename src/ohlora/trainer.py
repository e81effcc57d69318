"""What a run may choose of lightning.Trainer, wherever it drives."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from ohlora.config import Count, Index, Many, config


def _different(devices: Any) -> Any:
    if isinstance(devices, tuple) and (not devices or len(set(devices)) < len(devices)):
        raise ValueError("not a list of different card numbers")
    return devices


Devices = Annotated[Literal["auto", -1] | Count | Many[Index], AfterValidator(_different)]


@config
class TrainerSettings:
    """Keyword arguments of lightning.Trainer by the same names; None leaves Lightning's own choice.

    Only what leaves a trial's result alone: what changes training is part of the protocol, which is in
    every trial's key. Which device, hardware.device says.
    """

    enable_progress_bar: bool
    enable_model_summary: bool
    enable_checkpointing: bool
    devices: Devices  # several: one model in as many processes
    strategy: Literal["auto", "ddp"]
    log_every_n_steps: Count | None = None
    deterministic: bool | Literal["warn"] | None = None
    benchmark: bool | None = None  # of cuDNN: try its algorithms and take the fastest
    detect_anomaly: bool = False
    profiler: Literal["simple", "advanced"] | None = None

    def arguments(self) -> dict[str, Any]:
        """For lightning.Trainer."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        devices = list(self.devices) if isinstance(self.devices, tuple) else self.devices
        return {name: value for name, value in chosen.items() if value is not None} | {"devices": devices}
