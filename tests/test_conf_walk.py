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


def settings(commands: list[tuple[str, ...]]) -> list[tuple[DictConfig, DictConfig, str]]:
    """Each setting of some commands once: config, the table it is in, and its key."""
    found = {}
    for command in commands:
        cfg = composed(*command)
        for node, key in taken(cfg):
            kind = node._get_node("_target_")._value() if "_target_" in node else None
            found.setdefault((named(node, key), kind), (cfg, node, key))
    return list(found.values())


def accepts_everything(cfg: DictConfig, node: DictConfig, key: str, first: int) -> bool:
    values = (WRONG[(first + i) % len(WRONG)] for i in range(len(WRONG)))
    return not any(answer(cfg, node, key, value) for value in values)


MODELS = sorted(file.stem for file in (CONF / "model").glob("*.yaml"))
WALKS = {
    "battle": [
        ("battle",),
        *(("battle", f"challenger={name}") for name in ("optuna", "prompt", "random", "static")),
        ("battle", "drawn_by=network"),
    ],
    "train": [
        ("train",),
        *(("train", f"dataset={name}") for name in ("digits", "folder", "faces_folder")),
        *(("train", f"model={name}") for name in MODELS),
    ],
    "voice": [("say",), ("say", "narrator=kanana"), ("pretrain",), ("fine_tune",), ("measure",)],
    "face": [("animate",), ("live",), ("contact_sheet",), ("photo_sheet",), ("convert_weights",)],
    "report": [("face_report",)],
}


def test_every_command_is_walked():
    files = {file.stem for file in CONF.glob("*.yaml") if "job:" in file.read_text(encoding="utf-8")}
    assert {command for commands in WALKS.values() for command, *_ in commands} == files


@pytest.mark.parametrize("walk", WALKS)
def test_some_settings(walk):
    """A single wrong value to some settings, another kind to the next: a few seconds of the test below."""
    first = WALKS[walk][:1]
    places = settings(first)
    every = max(1, len(places) // 10)
    refused = [answer(*place, WRONG[i % len(WRONG)]) for i, place in enumerate(places[::every])]
    assert any(refused)


@pytest.mark.slow
@pytest.mark.parametrize("walk", WALKS)
def test_every_setting_refuses_something_and_names_it(walk):
    assert not [
        named(*place)
        for i, (cfg, *place) in enumerate(settings(WALKS[walk]))
        if accepts_everything(cfg, *place, i)
    ]
