"""What `model=cnn` runs, as settings: one trial is watched under Lightning's Trainer, more are a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol, runtime_checkable

from annotated_types import Ge, Le

from ohlora.callbacks import Callbacks
from ohlora.config import Count, Name, compared, config, deferred
from ohlora.datasets.families import Family
from ohlora.datasets.readers import DatasetReader
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.seeds import CHOSEN_SEEDS, LEAGUE_SEEDS
from ohlora.space import Params, Space
from ohlora.trainer import TrainerSettings
from ohlora.trials import protocol as protocols

if TYPE_CHECKING:
    from ohlora.datasets.images import ImageData
    from ohlora.datasets.subset import Subset


@runtime_checkable
class Chooser(Protocol):
    """Chooses params for the trials on one subset."""

    name: str  # as records have it

    def choose(self, data: ImageData, subset: Subset, space: Space, count: int) -> list[Params]: ...


@config
class TrialPlan:
    """Which trials: on subsets by ascending seed, each with params of a scrambled Sobol sequence or chosen.

    Trial i always is the same trial, so a sweep started again adds nothing, and a larger one adds what is
    missing.
    """

    dataset: DatasetReader
    family: Family
    space: Space
    protocol: protocols.Protocol
    trials: Annotated[int, Ge(1), Le(CHOSEN_SEEDS)]
    trials_per_subset: Count
    repeats: Annotated[int, Ge(1), Le(999)]  # seeds each set of params is trained under
    chooser: Chooser | None  # of the params; None: evenly over the space
    seed: Annotated[int, Ge(0), Le(LEAGUE_SEEDS - 1)]  # of the first subset; above are the league's

    @compared
    def _stays_below_the_league(self) -> None:
        last = self.seed + self.subsets - 1
        if last >= LEAGUE_SEEDS:
            raise ValueError(
                f"subset.seed={self.seed} with {self.subsets} subsets goes up to {last}, but seeds from"
                f" {LEAGUE_SEEDS} up are the league's; start at {LEAGUE_SEEDS - self.subsets} or below"
            )

    @property
    def subsets(self) -> int:
        return -(-self.trials // self.trials_per_subset)

    @property
    def chosen_by(self) -> dict[str, str]:
        """What records say of how the params came about."""
        chooser = "evenly" if self.chooser is None else self.chooser.name
        return {"chooser": chooser, "held_fixed": " ".join(sorted(self.space.fixed))}

    @property
    def total(self) -> int:
        """How many networks are trained."""
        return self.trials * self.repeats


@config
class TrainTrials(TrialPlan):
    """Train the trials of the plan that its table lacks, and add them to it."""

    hardware: Hardware
    driver: Literal["auto", "stacked", "lean", "trainer"]
    members: Count | None  # of a stack; None: what suits the device
    mix: bool  # go on with a table whose trials were trained in another precision or on another device
    save_subset: Name | None
    table: Name
    cache_dir: Name
    output_dir: Name
    trainer: TrainerSettings
    callbacks: Callbacks
    logger: LoggerChoice

    @compared
    def _watches_one(self) -> None:
        if self.driver == "trainer" and self.total > 1:
            raise ValueError(
                f"driver=trainer watches one trial (trials=1, repeats=1), not {self.total};"
                " many run under auto | stacked | lean"
            )

    @property
    def watched(self) -> bool:
        """Whether this is one trial under Lightning's Trainer."""
        return self.driver == "trainer" or (self.driver == "auto" and self.total == 1)

    run = deferred("ohlora.trials.training", "train_trials")
