"""How a face moves: pure functions of time, in seconds, and of a seed.

Nothing is counted in frames and nothing is remembered between them, so the frame rate changes how often a
motion is looked at and never the motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ohlora.face.drawing.chance import uniform

BLINK_EVERY_S = 3.6  # one blink in each stretch of this length, at a random moment of it
DOUBLE_BLINKS = 0.15  # the share of blinks that are two
CLOSE_S, OPEN_S = 0.12, 0.20  # a lid falls faster than it rises
SWAY_HZ = (0.11, 0.23, 0.37)  # no one is a multiple of another, so the sum does not repeat within minutes
SWAY_SHARES = (0.5, 0.3, 0.2)
SACCADE_EVERY_S, SACCADE_S = 1.1, 0.05  # one quick move of the eyes in each stretch, and how long it takes
BREATH_S, INHALED = 4.2, 0.42  # one breath, and the share of it that goes in
TRAIL_S, TRAIL_MOMENTS = 0.9, 10  # how far back hair remembers the head, and at how many moments
STEEPEST = math.pi / 2  # slope of `ease` at its middle


def ease(x: float) -> float:
    """From 0 to 1 as x goes from 0 to 1, starting and arriving at rest; constant beyond."""
    return 0.5 - 0.5 * math.cos(math.pi * min(max(x, 0.0), 1.0))


@dataclass(frozen=True)
class Move:
    """A wish to be at `target` [values], begun at `start_s`, arriving after `least_s` or later."""

    start_s: float
    target: np.ndarray
    least_s: float


@dataclass(frozen=True)
class Track:
    """Values that go from target to target; each move begins where the one before it has come to.

    A move takes longer than it was asked to where it would pass `speed` [values], units a second: that
    bounds the jump from frame to frame.
    """

    origin: np.ndarray  # [values]
    speed: np.ndarray
    moves: tuple[Move, ...] = ()

    def duration(self, move: Move, start: np.ndarray) -> float:
        """Seconds from `start` to the target."""
        return max(move.least_s, float((np.abs(move.target - start) / self.speed).max()) * STEEPEST)

    def at(self, t: float) -> np.ndarray:
        """The values [values] at time t."""
        value = self.origin
        begun = [move for move in self.moves if move.start_s <= t]
        for move, until in zip(begun, [*(move.start_s for move in begun[1:]), t], strict=False):
            elapsed = until - move.start_s
            value = value + (move.target - value) * ease(elapsed / self.duration(move, value))
        return value

    def arrival_s(self) -> float:
        """When the last move is done."""
        if not self.moves:
            return 0.0
        last = self.moves[-1]
        return last.start_s + self.duration(last, replace(self, moves=self.moves[:-1]).at(last.start_s))

    def toward(self, target: np.ndarray, start_s: float, least_s: float) -> Track:
        """The same until `start_s`, then to `target`, whatever had been planned."""
        kept = tuple(move for move in self.moves if move.start_s < start_s)
        return replace(self, moves=(*kept, Move(start_s, target, least_s)))

    def since(self, t: float) -> Track:
        """The same from t on, without the moves that were over by then."""
        begun = [move for move in self.moves if move.start_s <= t]
        if len(begun) < 2:
            return self
        last = begun[-1]
        start = replace(self, moves=tuple(begun[:-1])).at(last.start_s)
        return replace(self, origin=start, moves=(last, *self.moves[len(begun) :]))


def blink(t: float, seed: int) -> float:
    """How far the lids have fallen, 0 to 1."""
    stretch = math.floor(t / BLINK_EVERY_S)
    when, double = uniform([(seed << 32) + (stretch & 0xFFFFFFFF)], "blink", 2)[0]
    length = CLOSE_S + OPEN_S
    since = t - BLINK_EVERY_S * stretch - when * (BLINK_EVERY_S - 2 * length)
    if double < DOUBLE_BLINKS and since > length:
        since -= length
    return ease(since / CLOSE_S) if since < CLOSE_S else 1 - ease((since - CLOSE_S) / OPEN_S)


def saccade(t: float, seed: int) -> np.ndarray:
    """Small quick moves of the eyes: where they look to beside what she looks at [2], -1 to 1 each."""
    stretch = math.floor(t / SACCADE_EVERY_S)
    late, *now = uniform([(seed << 32) + (stretch & 0xFFFFFFFF)], "saccade", 3)[0]
    _, *before = uniform([(seed << 32) + ((stretch - 1) & 0xFFFFFFFF)], "saccade", 3)[0]
    begun = late * (SACCADE_EVERY_S - SACCADE_S)
    share = ease((t - SACCADE_EVERY_S * stretch - begun) / SACCADE_S)
    return 2 * (np.array(before) + (np.array(now) - np.array(before)) * share) - 1


def breath(t: float) -> float:
    """How full the lungs are, -1 to 1; in is quicker than out."""
    phase = t / BREATH_S % 1.0
    return (
        -math.cos(math.pi * phase / INHALED)
        if phase < INHALED
        else math.cos(math.pi * (phase - INHALED) / (1 - INHALED))
    )


def trail(per_s: float, fading: float) -> tuple[np.ndarray, np.ndarray]:
    """Of what follows late and swings: how long ago [moments] it looks at what it follows, and the weights.

    `per_s` rad a second; after `fading` seconds a swing has shrunk to 1/e. The weights sum to 1.
    """
    ago = np.arange(TRAIL_MOMENTS + 1) * (TRAIL_S / TRAIL_MOMENTS)
    left = np.exp(-ago / fading) * np.cos(per_s * ago)  # of a step, so long after it
    left[-1] = 0.0
    return (ago[:-1] + ago[1:]) / 2, -np.diff(left)


@lru_cache(maxsize=64)
def sway_phases(seed: int, values: int) -> np.ndarray:
    """Where each wave of each value begins [values, waves], 0 to 1."""
    return uniform([seed], "sway", values * len(SWAY_HZ)).reshape(values, -1)


def sway(t: float, seed: int, values: int) -> np.ndarray:
    """Slow small motion [values], -1 to 1 each, whatever else she does."""
    waves = np.sin(2 * math.pi * (np.array(SWAY_HZ) * t + sway_phases(seed, values)))
    return waves @ np.array(SWAY_SHARES)
