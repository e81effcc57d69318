"""The versions that pyproject.toml admits are those that are run: the lowest and the newest."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
# Extras that need a GPU or a cluster; the tests run without them.
NOT_RUN = {"bitsandbytes", "ray"}


def requirements() -> list[Requirement]:
    """Every direct dependency, extras included, each once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    found = map(Requirement, [*project["dependencies"], *(one for extra in extras for one in extra)])
    return list({r.name: r for r in found if r.name != "ohlora" and r.name not in NOT_RUN}.values())


def pins(name: str) -> dict[str, list[Requirement]]:
    """Pinned versions by package; several where they differ by Python."""
    lines = (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pinned: dict[str, list[Requirement]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            pinned.setdefault(requirement.name, []).append(requirement)
    return pinned


def version(pin: Requirement) -> Version:
    (only,) = pin.specifier
    assert only.operator == "=="
    return Version(only.version)


@pytest.mark.parametrize("wanted", requirements(), ids=lambda wanted: wanted.name)
def test_the_oldest_set_is_the_lower_bounds(wanted):
    lowest = [Version(bound.version) for bound in wanted.specifier if bound.operator == ">="]
    assert [version(pin) for pin in pins("oldest")[wanted.name]] == lowest


@pytest.mark.parametrize("wanted", requirements(), ids=lambda wanted: wanted.name)
def test_the_newest_set_is_admitted(wanted):
    assert all(version(pin) in wanted.specifier for pin in pins("newest")[wanted.name])
