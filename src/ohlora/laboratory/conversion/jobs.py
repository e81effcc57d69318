"""What `python -m ohlora convert-weights` runs, as settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from ohlora.config import Name, compared, config, deferred


def _given(source: str | None) -> str | None:
    if source is None:
        raise ValueError("no file (source=FILE, a .pkl, .pth, .pt or .safetensors with a StyleGAN)")
    return source


def _safetensors(out: str | None) -> str | None:
    if out is None or Path(out).suffix != ".safetensors":
        raise ValueError("not the name of a .safetensors file")
    return out


@config
class ConvertWeights:
    """Write `out`, safetensors with a card, of `source`, a checkpoint as its author published it."""

    source: Annotated[Name | None, AfterValidator(_given)]
    out: Annotated[Name | None, AfterValidator(_safetensors)]
    trust: bool

    run = deferred("ohlora.laboratory.conversion.convert_weights", "convert_weights")

    @compared
    def _is_not_written_over(self) -> None:
        source, out = self.files
        if source.resolve() == out.resolve():
            raise ValueError("out is the source itself")

    @property
    def files(self) -> tuple[Path, Path]:
        """What is read, and what is written."""
        return Path(str(self.source)).expanduser(), Path(str(self.out)).expanduser()
