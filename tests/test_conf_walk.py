"""Settings are given wrong values: each is refused by its name, or allowed, and never a bug."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ohlora.build import build
from ohlora.door import CONF
from ohlora.errors import OhloraError

WRONG = (None, "a word", -1, 1e300, math.nan, [], {})


def composed(command: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(command, [*overrides, "paths.run_dir=run"])


def leaves(node: DictConfig) -> Iterator[tuple[DictConfig, str]]:
    """Every place of a config that holds no table: the table it is in, and its key."""
    for key in node:
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_interpolation() and len(child):
            yield from leaves(child)
        elif key not in ("_target_", "_partial_"):
            yield node, str(key)


def named(node: DictConfig, key: str) -> str:
    return node._get_full_key(key)


def taken(cfg: DictConfig) -> list[tuple[DictConfig, str]]:
    """The leaves that the job is built from."""
    places = [(node, key) for node, key in leaves(cfg) if not named(node, key).startswith("paths.")]
    try:
        build(cfg.job, [named(*place) for place in places])
    except OhloraError as error:
        told = {fault.split(" ")[0] for fault in str(error).split("; ") if " is not a setting here" in fault}
        return [place for place in places if named(*place) not in told]
    return places


@contextmanager
def holding(node: DictConfig, key: str, value: Any) -> Iterator[None]:
    content = node.__dict__["_content"]
    before = content[key]
    content[key] = deepcopy(before)  # assignment may change a node in place
    node[key] = value
    try:
        yield
    finally:
        content[key] = before


def answer(cfg: DictConfig, node: DictConfig, key: str, value: Any) -> bool:
    """Whether a value is refused, which must name the setting."""
    with holding(node, key, value):
        try:
            build(cfg.job)
        except OhloraError as error:
            if key not in str(error):
                raise AssertionError(f"{named(node, key)}={value!r} is told as: {error}") from error
            return True
        except Exception as error:
            raise AssertionError(f"{named(node, key)}={value!r}: {type(error).__name__}: {error}") from error
    return False


# Of how many settings one is walked here, that the walk takes a few seconds; the slow test walks them all.
SAMPLE = {"battle": 25, "train": 8, "say": 1, "pretrain": 4}


def walk(command: str, *overrides: str, every: int = 1) -> None:
    """Give one wrong value to each of a command's settings, another kind to the next."""
    cfg = composed(command, *overrides)
    places = list(enumerate(taken(cfg)))[::every]
    refused = [answer(cfg, *place, WRONG[(i // every) % len(WRONG)]) for i, place in places]
    assert any(refused)


@pytest.mark.parametrize("command", SAMPLE)
def test_some_settings(command):
    walk(command, every=SAMPLE[command])


@pytest.mark.slow
def test_all_settings_of_a_trial():
    walk("train")
