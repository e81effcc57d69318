"""A face that is watched while it acts: requests change it, frames come out of it. Safe among threads."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ohlora.errors import OhloraError, nearest
from ohlora.face.acting.expression import NEUTRAL, Expressions
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import Person
from ohlora.face.acting.speech import LONGEST, cleaned
from ohlora.face.drawing.generator import Generator, HasNotice, ShowsSome
from ohlora.face.drawing.ombre import Ombre
from ohlora.face.drawing.portrait.ombred import ombred
from ohlora.face.drawing.portrait.scene import DrawsScenes, packed
from ohlora.space import Real

JPEG_QUALITY = 92
WISHES: dict[str, type] = {"mood": str, "intensity": object, "say": str, "rest": Mapping, "ombre": bool}
INTENSITY = Real(0.0, 1.2)


class LiveFace:
    """A performance that goes on. Frame number n shows the moment n / fps, whoever asks and however often.

    Nothing is drawn unless somebody asks, and for any number of viewers a frame is drawn once.
    """

    def __init__(
        self,
        generator: Generator,
        person: Person,
        expressions: Expressions,
        ombre: Ombre,
        seed: int,
        fps: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.generator, self.person, self.expressions, self.ombre = generator, person, expressions, ombre
        self.fps = fps
        self.performance = Performance.of(person.at_rest(expressions), expressions, seed)
        self.coloured = ombre.strength > 0
        self._clock, self._began = clock, clock()
        self._changing, self._drawing = threading.Lock(), threading.Lock()
        self._drawn = {False: (-1, b""), True: (-1, b"")}  # the newest as a JPEG, and as a scene
        self._mood, self._mood_until_s = NEUTRAL, 0.0

    @property
    def now_s(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._began

    def mood(self) -> dict[str, Any]:
        """The mood she is in, and for how many more seconds (0: until another is wished for)."""
        left_s = self._mood_until_s - self.now_s
        if left_s <= 0:
            return {"mood": NEUTRAL, "mood_s": 0.0}
        return {"mood": self._mood, "mood_s": round(left_s, 2)}

    def about(self) -> dict[str, Any]:
        """What there is to wish for, and how things are, as plain data."""
        axes = self.expressions.properties
        rest = self.performance.rest.at(self.now_s + 60)
        shown = self.generator.shown if isinstance(self.generator, ShowsSome) else axes
        return {
            "properties": {
                name: {"low": axis.low, "high": axis.high, "value": float(value)}
                for (name, axis), value in zip(axes.items(), rest, strict=False)  # controls come after them
                if name in shown
            },
            "moods": list(self.expressions.moods),
            "neutral": NEUTRAL,
            **self.mood(),
            "ombre": self.coloured,
            "fps": self.fps,
            "resolution": self.generator.resolution,
            "scenes": self.has_scenes,
            "notice": self.generator.notice if isinstance(self.generator, HasNotice) else {},
            "longest": LONGEST,
        }

    def wish(self, wish: object) -> dict[str, Any]:
        """Do what is wished for: any of WISHES; `intensity`, 0 to 1.2, is that of the mood.

        Returns the line as she says it, the mood she is in now and how long for; OhloraError names all
        that is wrong.
        """
        if not isinstance(wish, Mapping):
            raise OhloraError("a wish is a JSON object")
        if faults := self.faults(wish):
            raise OhloraError("; ".join(faults))
        line, mood = cleaned(wish.get("say", "")), wish.get("mood")
        with self._changing:
            now = self.now_s
            acted = self.performance.since(now)
            if "rest" in wish:
                rest = dict(zip(self.expressions.axes, acted.rest.at(now + 60), strict=True))
                acted = acted.slide(np.array(list({**rest, **wish["rest"]}.values()), dtype=float), now)
            if line:
                acted = acted.say(line, now)
                mood = mood or self.expressions.heard(line)
            if mood:
                mood = self.expressions.mood(mood)
                acted = acted.feel(mood, now, acted.speech.end_s, float(wish.get("intensity", 1.0)))
                self._mood, self._mood_until_s = mood, acted.mood.moves[-1].start_s
            self.performance = acted
            self.coloured = wish.get("ombre", self.coloured)
            return {"line": line, **self.mood()}

    def faults(self, wish: Mapping[str, Any]) -> list[str]:
        """Everything in a wish that cannot be granted."""
        faults = [f"{name} is not a wish{nearest(name, WISHES)}" for name in wish if name not in WISHES]
        wrong = {name for name, kind in WISHES.items() if name in wish and not isinstance(wish[name], kind)}
        faults += [f"{name} is not a {WISHES[name].__name__.lower()}" for name in sorted(wrong)]
        if "mood" in wish.keys() - wrong and (fault := self.expressions.fault("mood", wish["mood"])):
            faults.append(fault)
        if "say" in wish.keys() - wrong and len(wish["say"]) > LONGEST:
            faults.append(f"a line has at most {LONGEST} characters, not {len(wish['say'])}")
        if "intensity" in wish and (fault := INTENSITY.fault(wish["intensity"])):
            faults.append(f"intensity{fault}")
        axes = self.expressions.axes
        for name, value in ({} if "rest" in wrong else wish.get("rest", {})).items():
            if name not in axes:
                faults.append(f"{name} is not a property{nearest(name, axes)}")
            elif fault := axes[name].fault(value):
                faults.append(f"{name}{fault}")
        return faults

    def frame(self, after: int) -> tuple[int, bytes]:
        """The number of the newest frame and its JPEG; waits until it is a later one than `after`."""
        return self._newest(after, as_scene=False)

    @property
    def has_scenes(self) -> bool:
        """Whether a frame can be had as a vector scene."""
        return isinstance(self.generator, DrawsScenes)

    def scene(self, after: int) -> tuple[int, bytes]:
        """The same as a vector scene in JSON, which page/face.js draws at any size."""
        return self._newest(after, as_scene=True)

    def _newest(self, after: int, as_scene: bool) -> tuple[int, bytes]:
        newest = int(self.now_s * self.fps)
        if after == newest:
            time.sleep(max((after + 1) / self.fps - self.now_s, 0))
        with self._drawing:
            number = int(self.now_s * self.fps)
            if self._drawn[as_scene][0] != number:
                make = self.sketch if as_scene else self.draw
                self._drawn[as_scene] = (number, make(number / self.fps))
            return self._drawn[as_scene]

    def sketch(self, t: float) -> bytes:
        """The scene of a moment, in JSON."""
        if not isinstance(self.generator, DrawsScenes):
            raise TypeError(f"{type(self.generator).__name__} draws no scenes")
        (drawn,) = self.generator.scenes(self.person.latents[None], self.performance.at(t)[None])
        if self.coloured:
            drawn = ombred(drawn, self.ombre, t)
        return json.dumps(packed(drawn), separators=(",", ":")).encode()

    def draw(self, t: float) -> bytes:
        """The JPEG of a moment."""
        from ohlora.face.acting.film import film  # torch, without which a scene is drawn

        ombre = self.ombre if self.coloured else replace(self.ombre, strength=0.0)
        (frame,) = film(self.generator, self.person, self.performance, [t], ombre)
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "jpeg", quality=JPEG_QUALITY, subsampling=0)
        return file.getvalue()
