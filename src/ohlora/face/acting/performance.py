"""What a face does over time: state(t) = rest + mood + speech + small motion, behind blinking lids."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ohlora.face.acting.expression import NEUTRAL, Expressions
from ohlora.face.acting.motion import Track, blink, breath, saccade, sway, trail
from ohlora.face.acting.speech import Speech

# At 30 frames a second moods and sliders move no property by more than 0.15 of its standard deviation
# (drawn evenly over its range) from frame to frame: a whole range takes 1.2 s. Lids and lips are quicker, as
# people's are.
SPEED = 0.15 / math.sqrt(12) * 30  # ranges a second
HOLD_S = 1.6  # how long she stays in a mood
SLIDE_S = 0.15  # to follow a slider, at least
# Farthest from where she rests, raw.
SWAY = {"eyes": 0.020, "mouth": 0.010, "roll": 0.025, "yaw": 0.060, "pitch": 0.018, "brow_raise": 0.06}
SACCADE = {"gaze_x": 0.16, "gaze_y": 0.10}
BREATH = {"breath": 0.8, "pitch": -0.006}
ANTICIPATION, ANTICIPATION_S = 0.10, 0.12  # she first goes a tenth of the way back,
OVERSHOOT, SETTLE_S = 0.07, 0.30  # then a little too far, and settles
FOLLOWED = {"yaw": 1.1, "roll": 1.9}  # how far a turn of 1 rad throws hair and earrings back
FOLLOWERS = {"hair_swing": trail(4.5, 0.30), "earring_swing": trail(8.5, 0.34)}
MEMORY_S = 1.0  # how much of the past moves what follows late
NOD = 0.022  # rad at the widest vowel
LIVELY = 1.2  # how much farther her head sways while she speaks
SPOKEN = 0.55  # opening of the mouth at the widest vowel
KEPT = 0.30  # of a mood's mouth, while she speaks


@dataclass(frozen=True)
class Performance:
    """One face in time, as plain data: equal at equal (t, seed), on every machine and at every frame rate."""

    expressions: Expressions
    seed: int
    rest: Track  # where properties and controls are when nothing moves her
    mood: Track  # how far a mood moves them from there
    speech: Speech

    @classmethod
    def of(cls, rest: np.ndarray, expressions: Expressions, seed: int) -> Performance:
        """Nothing but breath and blinking, from `rest` [axes]."""
        speed = np.array([(axis.high - axis.low) * SPEED for axis in expressions.axes.values()])
        mood = Track(np.zeros_like(rest), speed)
        return cls(expressions, seed, Track(rest, speed), mood, Speech("", 0.0))

    def feel(
        self, mood: str, at_s: float, until_s: float | None = None, intensity: float = 1.0
    ) -> Performance:
        """The same until `at_s`, then in a mood, then neutral again: from `until_s` on, or after a while.

        On her way she first draws back a little, then goes slightly too far, and settles. An `intensity` of
        0.5 is half the mood.
        """
        table, begun = self.expressions, at_s + ANTICIPATION_S
        start, target = self.mood.at(at_s), table.offset(mood) * intensity
        way = target - start
        risen = self.mood.toward(start - ANTICIPATION * way, at_s, ANTICIPATION_S)
        risen = risen.toward(target + OVERSHOOT * way, begun, table.rise_s(mood))
        risen = risen.toward(target, risen.arrival_s(), SETTLE_S)
        after_s = max(risen.arrival_s() + HOLD_S, until_s or 0.0)
        return replace(self, mood=risen.toward(table.offset(NEUTRAL), after_s, table.rise_s(NEUTRAL)))

    def say(self, line: str, at_s: float) -> Performance:
        """The same, but from `at_s` on she says a line instead of whatever else."""
        return replace(self, speech=Speech(line, at_s))

    def slide(self, rest: np.ndarray, at_s: float) -> Performance:
        """The same until `at_s`, then resting elsewhere."""
        return replace(self, rest=self.rest.toward(rest, at_s, SLIDE_S))

    def since(self, t: float) -> Performance:
        """The same from t on, with nothing kept of what was over long before."""
        kept = t - MEMORY_S
        return replace(self, rest=self.rest.since(kept), mood=self.mood.since(kept))

    @property
    def end_s(self) -> float:
        """When mood, sliders and speech are over."""
        return max(self.mood.arrival_s(), self.rest.arrival_s(), self.speech.end_s)

    def pose(self, t: float) -> np.ndarray:
        """Rest and mood alone [axes]: what a still picture of her shows."""
        return self.rest.at(t) + self.mood.at(t)

    @property
    def height_s(self) -> float:
        """When her last mood is at its full height."""
        return self.mood.moves[-1].start_s if self.mood.moves else 0.0

    @cached_property
    def columns(self) -> dict[str, int]:
        """Where each property and control is in a state."""
        return {name: column for column, name in enumerate(self.expressions.axes)}

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest values [axes]."""
        low, high = zip(*((axis.low, axis.high) for axis in self.expressions.axes.values()), strict=True)
        return np.array(low), np.array(high)

    @cached_property
    def swayed(self) -> np.ndarray:
        """How far each sways [axes] while she is silent."""
        return np.array([SWAY.get(name, 0.0) for name in self.columns])

    @cached_property
    def followed(self) -> np.ndarray:
        """How far each throws back what follows the head [axes]."""
        return np.array([FOLLOWED.get(name, 0.0) for name in self.columns])

    def moved(self, t: float) -> np.ndarray:
        """Rest, mood and sway [axes]: all that is slow."""
        far = self.swayed.copy()
        speaking = self.speech.speaking(t)
        for name in FOLLOWED:
            far[self.columns[name]] *= 1 + LIVELY * speaking
        # Sway is drawn for the properties alone first: controls beside them do not change it.
        return self.pose(t) + far * sway(t, self.seed, len(far))

    def at(self, t: float) -> np.ndarray:
        """Her properties and controls [axes] at time t, raw, inside their ranges."""
        state = self.moved(t)
        self._speak(state, t)
        self._live(state, t)
        state = np.clip(state, *self.bounds)
        state[self.columns["eyes"]] *= 1 - blink(t, self.seed)
        return state

    def _speak(self, state: np.ndarray, t: float) -> None:
        """Let the mouth say what there is to say."""
        columns, speaking = self.columns, self.speech.speaking(t)
        if not speaking:
            return
        opening = self.speech.opening(t)
        state[columns["mouth"]] *= 1 - (1 - KEPT) * speaking
        state[columns["mouth"]] += SPOKEN * speaking * opening
        if "rounding" in columns:
            state[columns["rounding"]] *= 1 - speaking
            state[columns["rounding"]] += speaking * self.speech.rounding(t)
        if "pout" in columns:
            state[columns["pout"]] *= 1 - 0.7 * speaking
        if "pitch" in columns:
            state[columns["pitch"]] += NOD * speaking * opening

    def _live(self, state: np.ndarray, t: float) -> None:
        """Breath, quick moves of the eyes, and what follows the head late."""
        columns = self.columns
        for name, far in BREATH.items():
            if name in columns:
                state[columns[name]] += far * breath(t)
        if not columns.keys() >= SACCADE.keys() | FOLLOWERS.keys():
            return
        for (name, far), value in zip(SACCADE.items(), saccade(t, self.seed), strict=True):
            state[columns[name]] += far * value
        moments = next(iter(FOLLOWERS.values()))[0]
        now = float(state @ self.followed)
        before = np.array([self.moved(t - ago) @ self.followed for ago in moments])
        for name, (_, weights) in FOLLOWERS.items():
            state[columns[name]] += float(weights @ before) - now
