"""Who trains a network and who measures it: two of each kind, which share neither seed nor people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Role = Literal["teacher", "examiner"]
SUFFIX: Mapping[str, str] = {"teacher": "a", "examiner": "b"}  # of their weights' files: segmenter_a
ROLES: Mapping[str, str] = {suffix: role for role, suffix in SUFFIX.items()}
