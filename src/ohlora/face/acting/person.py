"""Somebody to be seen: who she is to a generator, and how she looks at rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ohlora.errors import OhloraError, nearest, whole_fault
from ohlora.face.acting.expression import MOVING, NEUTRAL, Expressions
from ohlora.face.drawing.generator import Generator
from ohlora.face.drawing.population import Population
from ohlora.space import Real

HIGHEST = 2**31 - 1  # number of a face


@dataclass(frozen=True)
class Person:
    """One identity of a generator."""

    latents: Tensor  # float32 [latent_dim]
    properties: Mapping[str, float]  # raw; those that moods do not set

    def fault(self, properties: Mapping[str, Real]) -> str | None:
        """Everything about her that cannot be shown, or None."""
        wanted = [name for name in properties if name not in MOVING]
        faults = [f"looks.{name} is missing" for name in wanted if name not in self.properties]
        for name, value in self.properties.items():
            if name not in wanted:
                faults.append(f"looks.{name} is not one of {' | '.join(wanted)}{nearest(name, wanted)}")
            elif fault := properties[name].fault(value):
                faults.append(f"looks.{name}{fault}")
        return "; ".join(faults) or None

    def at_rest(self, expressions: Expressions) -> np.ndarray:
        """Her properties [properties] when nothing moves her."""
        resting = {**expressions.moods[NEUTRAL], **self.properties}
        return np.array([resting[name] for name in expressions.properties])


def drawn(population: Population, seed: int, face: int, properties: Mapping[str, float]) -> Person:
    """Person number `face` of a world, photographed once."""
    if fault := whole_fault("face", face, 0, HIGHEST):
        raise OhloraError(fault)
    return Person(population.sample(seed, [face]).latents[0], properties)


def cast(
    generator: Callable[[], Generator],
    person: Callable[..., Person],
    expressions: Expressions,
    face: int | None = None,
) -> tuple[tuple[Any, ...], list[str]]:
    """(generator, person) as conf describes them, another `face` if one is asked for; and what is wrong."""
    built, faults = [], []
    for part, settings in ((generator, {}), (person, {} if face is None else {"face": face})):
        try:
            built.append(part(**settings))
        except OhloraError as error:
            faults.append(str(error))
    if faults:
        return (), list(dict.fromkeys(faults))  # both may lack the same folder
    able, asked = built[0].properties, expressions.properties
    if {**able} != {**asked}:
        faults.append(f"moods ask for {spoken(asked)}; this generator's are {spoken(able)}")
    elif fault := built[1].fault(able):
        faults.append(fault)
    return tuple(built), faults


def spoken(properties: Mapping[str, Real]) -> str:
    """Names and ranges."""
    return ", ".join(f"{name} {axis}" for name, axis in properties.items())
