"""What every contestant is, and what it may look at."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

from annotated_types import Ge, Le

from ohlora.space import Params, Space

if TYPE_CHECKING:
    from ohlora.datasets.subset import Subset
    from ohlora.predictor.predictor import Predictor

Kind = Literal["ohlora", "human", "optuna", "random", "static"]
Rules = Literal["house", "fair"]
Trials = Annotated[int, Ge(1), Le(1000)]  # on one subset
# Yields the params of one attempt after the other; is sent the validation macro-F1 (0 to 1) of each.
Attempts = Generator[Params, float, None]


@dataclass(frozen=True)
class MatchContext:
    """What every contestant may look at: nothing of the test split."""

    subset: Subset
    space: Space
    predictor: Predictor
    features: dict[str, float]
    seed: int


class Contestant(Protocol):
    """Anyone who can propose hyperparameters, seeing the validation scores of their own earlier ones."""

    kind: ClassVar[Kind]
    rules: ClassVar[Rules]

    @property
    def trials(self) -> int:
        """Attempts on one subset, at most."""
        ...

    def title(self, context: MatchContext, language: str) -> str:
        """What it is called, in `language` (ko | en)."""
        ...

    def check(self, space: Space) -> None:
        """Raise OhloraError for anything this contestant could not play, before any training."""
        ...

    def attempts(self, context: MatchContext) -> Attempts:
        """Play: at most `trials` attempts, each inside the space."""
        ...
