"""Film her: python -m ohlora animate face=3 mood=surprised out=demo.gif."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from pydantic import BeforeValidator, ValidationInfo, field_validator

from ohlora.config import Name, config, deferred
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.film_files import film_fault
from ohlora.face.acting.person import Number, PersonSettings
from ohlora.face.drawing.generator import GeneratorSettings
from ohlora.face.drawing.ombre import Ombre

# say=2026 is a number to YAML.
Line = Annotated[str, BeforeValidator(lambda line: str(line) if type(line) in (int, float) else line)]


@config
class Animate:
    """Write a film of one face in a mood, saying a line, or both."""

    generator: GeneratorSettings
    person: PersonSettings
    expressions: Expressions
    ombre: Ombre
    face: Number | None  # None: Oh-LoRA
    mood: Name | None  # of her own, or the challenger's verdict; None: what the line sounds like
    say: Line | None
    seconds: Annotated[float, Ge(0.1), Le(60)] | None  # None: until all is done
    fps: Annotated[float, Ge(1), Le(60)]
    seed: Number
    out: Name

    @field_validator("mood")
    @classmethod
    def _is_known(cls, mood: str | None, info: ValidationInfo) -> str | None:
        expressions = info.data.get("expressions")
        if expressions and mood is not None and (fault := expressions.unknown(mood)):
            raise ValueError(fault)
        return mood

    @field_validator("out")
    @classmethod
    def _can_be_written(cls, out: str, info: ValidationInfo) -> str:
        if fault := film_fault(out, info.data.get("fps", 1.0)):
            raise ValueError(fault)
        return out

    run = deferred("ohlora.face.acting.filming", "make_film")  # writes it and prints where it is
