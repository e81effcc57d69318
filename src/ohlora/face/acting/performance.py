"""What a face does over time: state(t) = rest + mood + speech + sway, behind blinking lids."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ohlora.face.acting.expression import NEUTRAL, Expressions
from ohlora.face.acting.motion import Track, blink, sway
from ohlora.face.acting.speech import Speech

# At 30 frames a second moods and sliders move no property by more than 0.15 of its standard deviation
# (drawn evenly over its range) from frame to frame: a whole range takes 1.2 s. Lids and lips are quicker, as
# people's are.
SPEED = 0.15 / math.sqrt(12) * 30  # ranges a second
HOLD_S = 1.6  # how long she stays in a mood
SLIDE_S = 0.15  # to follow a slider, at least
SWAY = {"eyes": 0.020, "mouth": 0.010, "roll": 0.025, "yaw": 0.060}  # farthest from where she rests, raw
LIVELY = 1.2  # how much farther her head sways while she speaks
SPOKEN = 0.55  # opening of the mouth at the widest vowel
KEPT = 0.30  # of a mood's mouth, while she speaks


@dataclass(frozen=True)
class Performance:
    """One face in time, as plain data: equal at equal (t, seed), on every machine and at every frame rate."""

    expressions: Expressions
    seed: int
    rest: Track  # where the properties are when nothing moves her
    mood: Track  # how far a mood moves them from there
    speech: Speech

    @classmethod
    def of(cls, rest: np.ndarray, expressions: Expressions, seed: int) -> Performance:
        """Nothing but breath and blinking, from `rest` [properties]."""
        speed = np.array([(axis.high - axis.low) * SPEED for axis in expressions.properties.values()])
        mood = Track(np.zeros_like(rest), speed)
        return cls(expressions, seed, Track(rest, speed), mood, Speech("", 0.0))

    def feel(
        self, mood: str, at_s: float, until_s: float | None = None, intensity: float = 1.0
    ) -> Performance:
        """The same until `at_s`, then in a mood, then neutral again: from `until_s` on, or after a while.

        `intensity`, 0 to 1: how far from neutral towards what the table has for the mood.
        """
        table = self.expressions
        risen = self.mood.toward(intensity * table.offset(mood), at_s, table.rise_s(mood))
        after_s = max(risen.arrival_s() + HOLD_S, until_s or 0.0)
        return replace(self, mood=risen.toward(table.offset(NEUTRAL), after_s, table.rise_s(NEUTRAL)))

    def say(self, line: str, at_s: float) -> Performance:
        """The same, but from `at_s` on she says a line instead of whatever else."""
        return replace(self, speech=Speech(line, at_s))

    def slide(self, rest: np.ndarray, at_s: float) -> Performance:
        """The same until `at_s`, then resting elsewhere."""
        return replace(self, rest=self.rest.toward(rest, at_s, SLIDE_S))

    def since(self, t: float) -> Performance:
        """The same from t on, with nothing kept of what was over by then."""
        return replace(self, rest=self.rest.since(t), mood=self.mood.since(t))

    @property
    def end_s(self) -> float:
        """When mood, sliders and speech are over."""
        return max(self.mood.arrival_s(), self.rest.arrival_s(), self.speech.end_s)

    def pose(self, t: float) -> np.ndarray:
        """Rest and mood alone [properties]: what a still picture of her shows."""
        return self.rest.at(t) + self.mood.at(t)

    @property
    def height_s(self) -> float:
        """When her last mood is at its full height."""
        return self.mood.moves[-1].start_s if self.mood.moves else 0.0

    def at(self, t: float) -> np.ndarray:
        """Her properties [properties] at time t, raw, inside their ranges."""
        axes = self.expressions.properties
        names = list(axes)
        eyes, mouth = names.index("eyes"), names.index("mouth")
        speaking = self.speech.speaking(t)
        far = np.array([SWAY.get(name, 0.0) for name in names])
        far[names.index("roll")] *= 1 + LIVELY * speaking
        far[names.index("yaw")] *= 1 + LIVELY * speaking
        state = self.pose(t) + far * sway(t, self.seed, len(names))
        state[mouth] *= 1 - (1 - KEPT) * speaking
        state[mouth] += SPOKEN * speaking * self.speech.opening(t)
        low, high = np.array([(axis.low, axis.high) for axis in axes.values()]).T
        state = np.clip(state, low, high)
        state[eyes] *= 1 - blink(t, self.seed)
        return state
