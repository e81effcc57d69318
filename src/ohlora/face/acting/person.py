"""Somebody to be seen: who she is to a generator, and how she looks at rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
from annotated_types import Ge, Le

from ohlora.config import Name, compared, config
from ohlora.errors import OhloraError, nearest
from ohlora.face.acting.expression import MOVING, NEUTRAL, Expressions
from ohlora.face.drawing.generator import Generator, GeneratorSettings
from ohlora.face.drawing.population import Population
from ohlora.space import Real

HIGHEST = 2**31 - 1
Number = Annotated[int, Ge(0), Le(HIGHEST)]  # of a face; a seed


@dataclass(frozen=True)
class Person:
    """One identity of a generator."""

    latents: np.ndarray  # float32 [latent_dim]
    properties: Mapping[str, float]  # raw; those that moods do not set

    def fault(self, properties: Mapping[str, Real]) -> str | None:
        """Everything about her that cannot be shown, or None."""
        return looks_fault(self.properties, properties)

    def at_rest(self, expressions: Expressions) -> np.ndarray:
        """Her properties and controls [axes] when nothing moves her."""
        resting = {
            **dict.fromkeys(expressions.controls, 0.0),
            **expressions.moods[NEUTRAL],
            **self.properties,
        }
        return np.array([resting[name] for name in expressions.axes])


def looks_fault(looks: Mapping[str, float], properties: Mapping[str, Real]) -> str | None:
    """Why somebody cannot look so, or None: every property that moods do not set, inside its range."""
    wanted = [name for name in properties if name not in MOVING]
    faults = [f"looks.{name} is missing" for name in wanted if name not in looks]
    for name, value in looks.items():
        if name not in wanted:
            faults.append(f"looks.{name} is not one of {' | '.join(wanted)}{nearest(name, wanted)}")
        elif fault := properties[name].fault(value):
            faults.append(f"looks.{name}{fault}")
    return "; ".join(faults) or None


@runtime_checkable
class PersonSettings(Protocol):
    """Names a person: a number in the renderer's world, or in a bank of faces."""

    def load(self, face: int | None = None) -> Person:
        """Her, or another `face` of the same world or bank."""
        ...


@config
class DrawnPerson:
    """Person number `face` of a world, photographed once."""

    population: Population
    seed: Number  # of the world
    face: Number
    properties: Mapping[Name, float]  # raw; those that moods do not set

    @compared
    def _can_be_shown(self) -> None:
        if fault := looks_fault(self.properties, self.population.properties):
            raise ValueError(fault)

    def load(self, face: int | None = None) -> Person:
        number = self.face if face is None else face
        return Person(self.population.latents(self.seed, [number])[0], self.properties)


class Job(Protocol):
    """What shows somebody."""

    @property
    def generator(self) -> GeneratorSettings: ...

    @property
    def person(self) -> PersonSettings: ...

    @property
    def expressions(self) -> Expressions: ...


def cast(job: Job, face: int | None = None) -> tuple[Generator, Person]:
    """Generator and person of a job, another `face` if one is asked for.

    Raises OhloraError with all that is missing, or does not go together.
    """
    built: list[Any] = []
    faults: dict[str, None] = {}  # both may lack the same folder
    for load in (job.generator.load, lambda: job.person.load(face)):
        try:
            built.append(load())
        except OhloraError as error:
            faults[str(error)] = None
    if faults:
        raise OhloraError("; ".join(faults))
    generator, person = built
    able, asked = generator.properties, job.expressions.axes
    # A generator may know fewer: properties alone, or the first of the controls.
    if len(able) < len(job.expressions.properties) or [*able.items()] != [*asked.items()][: len(able)]:
        raise OhloraError(f"moods ask for {spoken(asked)}; this generator's are {spoken(able)}")
    if fault := person.fault(job.expressions.properties):
        raise OhloraError(fault)
    return generator, person


def spoken(properties: Mapping[str, Real]) -> str:
    """Names and ranges."""
    return ", ".join(f"{name} {axis}" for name, axis in properties.items())
