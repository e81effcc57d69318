"""A renderer, its population and some faces, as conf has them, at 64 px."""

from __future__ import annotations

import pytest
from hydra.utils import instantiate

from ohlora.face.expression import Expressions
from ohlora.face.faces import Faces, render
from ohlora.face.person import Person
from ohlora.face.renderer import Renderer
from ohlora.face.sample import Population


@pytest.fixture(scope="session")
def face_config(composed):
    return lambda *overrides: composed("contact_sheet", *overrides)


@pytest.fixture(scope="session")
def make_renderer(face_config):
    def build(**settings) -> Renderer:
        overrides = [f"renderer.{name}={value}" for name, value in settings.items()]
        return instantiate(face_config(*overrides).renderer, _convert_="all")

    return build


@pytest.fixture(scope="session")
def renderer(make_renderer) -> Renderer:
    return make_renderer()


@pytest.fixture(scope="session")
def population(face_config) -> Population:
    return instantiate(face_config().population, _convert_="all")


@pytest.fixture(scope="session")
def some_faces(renderer, population) -> Faces:
    """160 people, men and women, no defects."""
    draws = population.sample(seed=5, indices=range(160))
    draws.severity.zero_()
    return render(renderer, draws)


@pytest.fixture(scope="session")
def expressions_config(composed):
    return lambda *overrides: composed("animate", *overrides)


@pytest.fixture(scope="session")
def expressions(expressions_config) -> Expressions:
    return instantiate(expressions_config().expressions, _convert_="all")


@pytest.fixture(scope="session")
def person(expressions_config) -> Person:
    return instantiate(expressions_config().person, _convert_="all")()
