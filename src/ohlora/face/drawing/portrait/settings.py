"""The portrait behind the generator's interface: the second look, which acts and turns its head."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from ohlora.config import Name, Positive, compared, config, deferred
from ohlora.face.drawing.population import Properties, Trait
from ohlora.face.drawing.renderer import RESOLUTIONS
from ohlora.space import Real

if TYPE_CHECKING:
    from torch import Tensor


@config
class Portrait:
    """A Generator of vector scenes, for the people of the renderer's world in another drawing.

    The renderer is the first look: networks learn from it, so its pixels stay. This is the second: besides
    the first look's properties it can be asked for `controls` of brows, gaze, mouth, cheeks and hair.
    """

    resolution: Annotated[int, Ge(RESOLUTIONS[0]), Le(RESOLUTIONS[1])]  # pixels a side
    asked: Properties  # of the renderer: its properties
    controls: Mapping[Name, Real]  # what only this look shows; 0 is at rest
    limit: Positive  # latents beyond look like this
    identity: Mapping[Name, Trait]
    nuisance: Mapping[Name, Trait]

    @compared
    def _controls_rest_at_zero(self) -> None:
        faults = [
            f"controls.{name} does not hold 0" for name, axis in self.controls.items() if axis.fault(0.0)
        ]
        faults += [f"controls.{name} is a property too" for name in self.controls if name in self.asked]
        if faults:
            raise ValueError("; ".join(faults))

    def load(self) -> Portrait:
        """Itself: nothing is read from a disk."""
        return self

    @property
    def properties(self) -> Mapping[str, Real]:
        """Properties, then controls."""
        return {**self.asked, **self.controls}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the columns of w mean."""
        return (*self.properties, *self.identity, *self.nuisance)

    @property
    def latent_dim(self) -> int:
        return len(self.identity) + len(self.nuisance)

    @property
    def w_mean(self) -> Tensor:
        """The average person at rest, every property in the middle of its range."""
        return self._w_mean()

    _w_mean = deferred("ohlora.face.drawing.portrait.drawing", "w_mean")
    mapping = deferred("ohlora.face.drawing.portrait.drawing", "mapping")
    synthesis = deferred("ohlora.face.drawing.portrait.drawing", "synthesis")
    picture = deferred("ohlora.face.drawing.portrait.drawing", "picture")
    scenes = deferred("ohlora.face.drawing.portrait.styles", "scenes")  # (latents, properties): DrawsScenes
