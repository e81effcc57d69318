"""Learning-rate schedules: factors of the peak rate, at progress 0 to 1 through training."""

from __future__ import annotations

import math
from collections.abc import Callable

# What the hyperparameter `scheduler` may be. exp_NN is the original's decay of 0.NN an epoch over its 30
# epochs, stretched to whatever the budget is.
SCHEDULES: dict[str, Callable[[float], float]] = {
    **{f"exp_{g}": (lambda p, gamma=g / 100: gamma ** (30 * p)) for g in (80, 90, 95, 98)},
    "cosine": lambda p: 0.5 * (1 + math.cos(math.pi * min(p, 1.0))),
}


def one_cycle(progress: float, warm_up: float = 0.2) -> float:
    """Linear warm-up over the first `warm_up` of training, then down along a cosine (arXiv:1708.07120)."""
    if progress < warm_up:
        return 0.04 + 0.96 * progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up))))
