"""Where a job runs and in which arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ohlora.errors import OhloraError


@dataclass(frozen=True)
class Hardware:
    """Where a trial runs and in which arithmetic."""

    device: str  # auto | cpu | cuda | cuda:1 | mps
    precision: str  # auto | 32 | bf16
    threads: int | None  # of torch on the CPU; None: torch's own choice

    def use_threads(self) -> None:
        if self.threads:
            torch.set_num_threads(self.threads)

    def resolve(self) -> tuple[torch.device, str]:
        """The device, and "bf16" where it has bf16 arithmetic of its own, else "32"."""
        if str(self.precision) not in ("auto", "32", "bf16"):
            raise OhloraError(f"hardware.precision={self.precision} is not one of auto | 32 | bf16")
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:  # AssertionError: torch built without CUDA
            why = str(error).split(". ")[0].split(" device type at start")[0] or type(error).__name__
            raise OhloraError(
                f"hardware.device={name} cannot be used here ({why}); auto | cpu | cuda | mps"
            ) from None
        if self.precision != "auto":
            return device, str(self.precision)
        if device.type == "cuda":
            native = torch.cuda.get_device_capability(device)[0] >= 8
        else:
            native = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return device, "bf16" if native else "32"
