"""Film her: python -m ohlora animate face=3 mood=surprised out=demo.gif."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LEAD_S, TAIL_S = 0.3, 0.4  # of rest before and after what she does


@dataclass(frozen=True)
class Animate:
    """Write a film of one face in a mood, saying a line, or both."""

    generator: Callable[[], Any]  # built late, so that its faults are told with all others
    person: Callable[..., Any]
    expressions: Any
    face: int | None  # None: Oh-LoRA
    mood: str | None  # of her own, or the challenger's verdict; None: what the line sounds like
    say: str | None
    seconds: float | None  # None: until all is done
    fps: float
    seed: int
    ombre: Any
    out: str

    def run(self) -> None:
        """Write the film and print where it is."""
        from pathlib import Path

        from ohlora.face.acting.film import film, save_film
        from ohlora.face.acting.performance import Performance
        from ohlora.face.acting.speech import cleaned
        from ohlora.progress import progress

        generator, person = self.checked()
        line = cleaned("" if self.say is None else str(self.say))
        mood = self.expressions.mood(self.mood) if self.mood else self.expressions.heard(line)
        performance = Performance.of(person.at_rest(self.expressions), self.expressions, self.seed)
        performance = performance.say(line, LEAD_S)
        performance = performance.feel(mood, LEAD_S, performance.end_s)
        seconds = self.seconds or performance.end_s + TAIL_S
        times = [number / self.fps for number in range(max(1, round(seconds * self.fps)))]
        with progress(len(times), "frames") as advance:
            frames = film(generator, person, performance, times, self.ombre, advance)
        path = save_film(frames, Path(self.out).expanduser(), self.fps)
        print(f"{path}: {mood}, {len(frames)} frames, {len(frames) / self.fps:.1f} s")

    def checked(self) -> tuple[Any, ...]:
        """Generator and person, or every setting that cannot be filmed, at once."""
        from ohlora.errors import OhloraError, whole_fault
        from ohlora.face.acting.film import film_faults
        from ohlora.face.acting.person import HIGHEST, cast
        from ohlora.space import Real

        built, faults = cast(self.generator, self.person, self.expressions, self.face)
        if self.mood is not None and (fault := self.expressions.fault("mood", self.mood)):
            faults.append(fault)
        if fault := whole_fault("seed", self.seed, 0, HIGHEST):
            faults.append(fault)
        ranges = [("fps", self.fps, Real(1, 60))]
        if self.seconds is not None:
            ranges.append(("seconds", self.seconds, Real(0.1, 60)))
        faults += [f"{name}{fault}" for name, value, axis in ranges if (fault := axis.fault(value))]
        faults += film_faults(str(self.out), self.fps, built[0].resolution if built else None)
        if faults:
            raise OhloraError("; ".join(faults))
        return built
