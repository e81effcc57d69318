"""A reply -> a mood of conf/faces and its intensity: logistic regression on the encoder's vectors.

Beside the vector it sees which emoji and marks a reply has. The baseline are keyword rules, the signs of
conf/faces/reactions.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from ohlora.chat.retrieval import Encoder
from ohlora.errors import OhloraError

FILE = "expression.safetensors"


class Mood(NamedTuple):
    name: str
    intensity: float  # 0 to 1


class MoodClassifier:
    """The classifier that ships, for one encoder."""

    def __init__(self, folder: Path | str, encoder: Encoder) -> None:
        self.path, self.encoder = Path(folder).expanduser() / FILE, encoder

    @cached_property
    def _parts(self) -> tuple[list[str], Mapping[str, np.ndarray]]:
        try:
            with safe_open(self.path, framework="np") as file:
                moods = file.metadata()["moods"].split(",")
                tensors = {name: file.get_tensor(name) for name in ("weights", "bias", "intensity")}
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            what = "not there" if isinstance(error, FileNotFoundError) else "damaged"
            raise OhloraError(f"{self.path} is {what}; python -m ohlora chat-train makes it") from None
        return moods, tensors

    def mood(self, reply: str) -> Mood:
        moods, tensors = self._parts
        row = features([reply], self.encoder)[0]
        scores = tensors["weights"] @ row + tensors["bias"]
        strength = float(np.clip(tensors["intensity"] @ np.append(row, 1), 0, 1))
        return Mood(moods[int(scores.argmax())], strength)


EMOJI_MARKS = "😂🤣😆😲😮😱🤯👀😊🥰😳🙈💕😎😏💪👑🏆😤😠😒🙄😢😭😞🥲💔🤔🧐🎉😄😁🙌✨💖👏😅💡🌙"
MARKS = [*EMOJI_MARKS, "!", "?", "…", "ㅋ", "ㅎ", "ㅠ", "haha"]


def features(replies: Sequence[str], encoder: Encoder) -> np.ndarray:
    """The encoder's vector, and which marks a reply has: the encoder's tokens know few emoji."""
    marks = np.array([[mark in reply.lower() for mark in MARKS] for reply in replies], np.float32)
    return np.concatenate([3 * encoder.encode(replies), marks], axis=1)
