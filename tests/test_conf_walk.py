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

from ohlora.build import _Builder, build
from ohlora.conf_files import CONF
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
    walk = _Builder(made=False)
    walk.value(cfg.job)
    places = [(node, key) for node, key in leaves(cfg) if named(node, key) in walk.taken]
    return [(node, key) for node, key in places if not named(node, key).startswith("paths.")]


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


def faults(part: DictConfig) -> set[str]:
    try:
        build(part)
    except OhloraError as error:
        return set(str(error).split("; "))
    return set()


def nearest_object(node: DictConfig) -> DictConfig | None:
    """The object that a table belongs to."""
    while node is not None and "_target_" not in node:
        node = node._get_parent()
    return node


def answer(cfg: DictConfig, node: DictConfig, key: str, value: Any) -> bool:
    """Whether a value is refused, which must name the setting.

    By the object it belongs to, which is built in a moment, or else by the whole job.
    """
    place = f"{named(node, key)}={value!r}"
    for part in [part for part in (nearest_object(node), cfg.job) if part is not None]:
        with holding(node, key, value):
            try:
                new = faults(part)
            except Exception as error:
                raise AssertionError(f"{place}: {type(error).__name__}: {error}") from error
        if any(key in fault for fault in new):
            return True
        # Some commands ask for settings that have no default, which are faults too.
        assert new <= faults(part), f"{place} is told as: {new}"
    return False


def settings(commands: list[tuple[str, ...]]) -> list[tuple[DictConfig, DictConfig, str]]:
    """Each setting of some commands once: config, the table it is in, and its key.

    A config class's field is one setting wherever such objects stand.
    """
    found = {}
    for command in commands:
        cfg = composed(*command)
        for node, key in taken(cfg):
            kind = node._get_node("_target_")._value() if "_target_" in node else node._get_full_key("")
            found.setdefault((kind, key), (cfg, node, key))
    return list(found.values())


def accepts_everything(cfg: DictConfig, node: DictConfig, key: str, first: int) -> bool:
    values = (WRONG[(first + i) % len(WRONG)] for i in range(len(WRONG)))
    return not any(answer(cfg, node, key, value) for value in values)


MODELS = sorted(file.stem for file in (CONF / "model").glob("*.yaml"))
COMMANDS = [
    *((file.stem,) for file in sorted(CONF.glob("*.yaml")) if "job:" in file.read_text(encoding="utf-8")),
    *(("battle", f"challenger={name}") for name in ("optuna", "prompt", "random", "static")),
    ("battle", "drawn_by=network"),
    ("animate", "drawn_by=stylegan", "paths.stylegan=x.safetensors", "parser=y.safetensors"),
    *(("battle", f"league={file.stem}") for file in sorted((CONF / "league").glob("*.yaml"))),
    ("battle", "league=standard", "dataset=digits"),
    ("say", "narrator=kanana"),
    *(("train", f"dataset={name}") for name in ("digits", "folder", "faces_folder")),
    *(("train", f"model={name}") for name in MODELS),
]


@pytest.mark.parametrize(
    "command", ["battle", "battle league=standard", "train", "pretrain", "animate", "fit"]
)
def test_some_settings(command):
    """A single wrong value to some settings, another kind to the next: a few seconds of the test below."""
    places = settings([tuple(command.split())])
    every = max(1, len(places) // 10)
    refused = [answer(*place, WRONG[i % len(WRONG)]) for i, place in enumerate(places[::every])]
    assert any(refused)


@pytest.mark.slow
def test_every_setting_of_every_command_refuses_something_and_names_it():
    accept = [
        named(*place)
        for i, (cfg, *place) in enumerate(settings(COMMANDS))
        if accepts_everything(cfg, *place, i)
    ]
    assert not accept
