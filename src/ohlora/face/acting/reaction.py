"""Her face at the end of a match: a picture, a short GIF, and half-blocks where the terminal wants them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console

from ohlora.battle.result import MatchResult
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.film import film, look, resized, save_film
from ohlora.face.acting.half_blocks import HalfBlocks
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import Person, cast
from ohlora.face.acting.reaction_settings import ReactionSettings
from ohlora.face.acting.speech import cleaned
from ohlora.face.drawing.generator import Generator
from ohlora.face.drawing.ombre import Ombre

COLUMNS = 48  # of the terminal
START_S, NEXT_S = 0.1, 1.3  # when she takes in the first attempt, and how much later the second


@dataclass(frozen=True)
class Reaction:
    """How Oh-LoRA takes the end of a match: a mood an attempt, and her line on her lips."""

    generator: Generator
    person: Person
    expressions: Expressions
    ombre: Ombre
    seconds: float
    fps: float
    terminal: bool
    still_resolution: int

    def performance(self, match: MatchResult, line: str) -> Performance:
        """Her reaction, the same to the same match and line."""
        seed = (match.subset.seed if match.subset else 0) % 2**31
        acted = Performance.of(self.person.at_rest(self.expressions), self.expressions, seed)
        at = START_S
        for verdict in match.verdicts:
            acted, at = acted.feel(self.expressions.mood(verdict.value), at, self.seconds), at + NEXT_S
        return acted.say(cleaned(line), at - NEXT_S + START_S)

    def react(self, match: MatchResult, line: str, folder: Path, console: Console) -> Path:
        """Leave ohlora.png and ohlora.gif in `folder`; draw the picture where the terminal is to have it."""
        acted = self.performance(match, line)
        height = acted.height_s
        sharp = resized(self.generator, self.still_resolution)
        (still,) = look(sharp, self.person, [acted.pose(height)], [height], self.ombre)
        picture = Image.fromarray(still)
        path = folder / "ohlora.png"
        picture.save(path)
        times = [number / self.fps for number in range(round(self.seconds * self.fps))]
        frames = film(self.generator, self.person, acted, times, self.ombre)
        save_film(frames, folder / "ohlora.gif", self.fps)
        if self.terminal:
            console.print(HalfBlocks(picture, COLUMNS))
        return path


def load_reaction(settings: ReactionSettings) -> Reaction:
    """Her face, ready to react."""
    generator, person = cast(settings)
    return Reaction(
        generator,
        person,
        settings.expressions,
        settings.ombre,
        settings.seconds,
        settings.fps,
        terminal=settings.shown == "terminal",
        still_resolution=settings.still_resolution,
    )
