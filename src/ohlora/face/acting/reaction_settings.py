"""How her face after a match is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le

from ohlora.config import config, deferred
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.film_files import FASTEST_GIF
from ohlora.face.acting.person import PersonSettings
from ohlora.face.drawing.generator import GeneratorSettings
from ohlora.face.drawing.ombre import Ombre

if TYPE_CHECKING:
    from ohlora.face.acting.reaction import Reaction


@config
class ReactionSettings:
    """Her face at the end of a match: as files, drawn in the terminal too, or not at all."""

    shown: Literal["none", "files", "terminal"]
    generator: GeneratorSettings
    person: PersonSettings
    expressions: Expressions
    ombre: Ombre
    seconds: Annotated[float, Ge(0.1), Le(60)]
    fps: Annotated[float, Ge(1), Le(FASTEST_GIF)]
    still_resolution: Annotated[
        int, Ge(16), Le(512)
    ]  # of ohlora.png, where what draws her knows no size of its own

    def make(self) -> Reaction | None:
        """What reacts, her networks loaded; None where she is not shown."""
        return None if self.shown == "none" else self._load()

    _load = deferred("ohlora.face.acting.reaction", "load_reaction")
