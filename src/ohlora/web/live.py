"""See her live in a browser: python -m ohlora live, then open the address it prints."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le

from ohlora.config import config, deferred
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.person import Number, PersonSettings
from ohlora.face.drawing.generator import GeneratorSettings
from ohlora.face.drawing.ombre import Ombre


@config
class Live:
    """Serve one face on this machine until Ctrl-C."""

    generator: GeneratorSettings
    person: PersonSettings
    expressions: Expressions
    ombre: Ombre
    face: Number | None  # None: Oh-LoRA
    seed: Number
    fps: Annotated[float, Ge(1), Le(60)]
    port: Annotated[int, Ge(0), Le(2**16 - 1)]  # 0: any that is free
    language: Literal["ko", "en"]

    server = deferred("ohlora.web.live_page", "open_server")  # not yet serving
    run = deferred("ohlora.web.live_page", "serve")  # prints the address and serves
