"""A converted StyleGAN, what was found out about it, and a person of its bank, by the weights' file.

Beside FILE.safetensors lie FILE_samples (pictures and their scores), FILE_directions and FILE_bank, which
`train.py model=face_samples | face_directions | face_bank` with paths.stylegan=FILE.safetensors leave there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from ohlora.config import Name, config, deferred
from ohlora.face.acting.expression import MOVING
from ohlora.face.acting.person import Number
from ohlora.face.trained.parser import ParserSettings
from ohlora.space import Real

CONTROL = "pitch"  # the first control, and the only one a StyleGAN may be asked for
MOVED = (*MOVING, CONTROL)  # what moods move where it has directions
CONVERT = "python -m ohlora convert-weights source=FILE out=FILE.safetensors"


def is_converted(file: str | None) -> str | None:
    """Refuse what convert-weights does not write."""
    if file is not None and Path(file).suffix != ".safetensors":
        raise ValueError(f"not a .safetensors file; {CONVERT} makes one")
    return file


def _is_given(file: str | None) -> str:
    if file is None:
        raise ValueError(f"no file; paths.stylegan=FILE.safetensors names one, {CONVERT} makes it")
    return file


Converted = Annotated[Name | None, AfterValidator(is_converted)]
Given = Annotated[Name | None, AfterValidator(_is_given), AfterValidator(is_converted)]


def folder_and_name(file: str, what: str = "") -> tuple[Path, str]:
    """Where the weights lie, or `what` belongs to them (samples, directions, bank), and its name there."""
    path = Path(file).expanduser()
    return path.parent, f"{path.stem}_{what}" if what else path.stem


def made_by(model: str, file: str) -> str:
    """The command that makes what belongs to the weights."""
    return f"python train.py model={model} paths.stylegan={file} makes it"


@config
class StyleGANFile:
    """The generator in `file`, moved along the directions that were found in it; `parser` sees its hair."""

    file: Given
    properties: Mapping[Name, Real]  # that moods and looks are told in
    controls: Mapping[Name, Real]
    parser: ParserSettings | None

    load = deferred("ohlora.face.trained.stylegan.acting", "load_acting")


@config
class StyleGANPerson:
    """Number `face` of the bank of `file`."""

    file: Given
    face: Number
    properties: Mapping[Name, float]  # raw; a StyleGAN's faces keep their own looks

    load = deferred("ohlora.face.trained.stylegan.acting", "load_person")
