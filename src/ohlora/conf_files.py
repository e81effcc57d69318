"""conf/: where it lies, what stands for the `${name:...}` in it, and the settings it has, by name."""

from __future__ import annotations

import locale
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from yaml import YAMLError

from ohlora.command_help import choices, command
from ohlora.errors import nearest

HERE = Path(__file__).resolve().parent
# An installed package carries it, in a checkout it stands at the top.
CONF = next(conf for conf in (HERE / "conf", HERE.parents[1] / "conf") if conf.is_dir())
ASSETS = HERE / "assets"
OWNERS = 4  # files named in a message, at most


def user_language() -> str:
    """ko where the system speaks Korean, else en."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "ko" if spoken.lower().startswith(("ko", "korean")) else "en"


def chosen(group: str) -> str | None:
    """What stands for a config group in the command that runs; null where it has no such group."""
    if not HydraConfig.initialized():
        return None
    return HydraConfig.get().runtime.choices.get(group)


OmegaConf.register_new_resolver("user_language", user_language, replace=True)
OmegaConf.register_new_resolver("chosen", chosen, replace=True)
OmegaConf.register_new_resolver("choices", choices, replace=True)
OmegaConf.register_new_resolver("command", command, replace=True)
OmegaConf.register_new_resolver("assets", lambda name="": str(ASSETS / name), replace=True)
OmegaConf.register_new_resolver(
    "user_data",
    lambda name="": str(Path(platformdirs.user_data_dir("ohlora", appauthor=False)) / name),
    replace=True,
)
OmegaConf.register_new_resolver(
    "user_cache",
    lambda name="": str(Path(platformdirs.user_cache_dir("ohlora", appauthor=False)) / name),
    replace=True,
)
OmegaConf.register_new_resolver(
    "if_given", lambda value, then, otherwise: otherwise if value is None else then, replace=True
)
OmegaConf.register_new_resolver(
    "beside",
    lambda file, otherwise: otherwise if file is None else str(Path(str(file)).expanduser().parent),
    replace=True,
)


def unknown_setting(name: str) -> str:
    """A setting that is none here, and what it may be meant for.

    Files that have it and were not chosen, else settings of the same last word, or spelled like it.
    """
    if (CONF / name).is_dir():
        return f"{name} is a group of settings that this command does not use"
    if owners := sorted({owner for setting, owner in written_settings() if setting == name}):
        more = " | …" if len(owners) > OWNERS else ""
        return f"{name} is a setting of {' | '.join(owners[:OWNERS])}{more}, not of what is chosen here"
    known = known_keys()
    deeper = [key for key in known if key.endswith(f".{name}")]
    deeper.sort(key=lambda key: (not key.startswith("params."), key.count("."), key))
    hint = f" (did you mean {' | '.join(deeper[:3])}?)" if deeper else nearest(name, known - {name})
    return f"{name} is not a setting{hint}; --cfg job shows them all"


def known_keys() -> set[str]:
    """Every key written in a config file, dotted and its last word alone, and every group."""
    groups = {path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")} - {"."}
    names = {name for name, _ in written_settings()}
    free = {f"params.{key}" for key in OmegaConf.load(CONF / "axes" / "cnn.yaml")}
    return groups | names | {name.rpartition(".")[2] for name in names} | free


@cache
def written_settings() -> tuple[tuple[str, str], ...]:
    """(dotted name, file that has it: `dataset=folder`, or `fit` for what a command alone has), read once."""
    found: list[tuple[str, str]] = []
    for path in sorted(CONF.rglob("*.yaml")):
        group = path.parent.relative_to(CONF).as_posix()
        if group.startswith("hydra/"):
            continue
        rooted = group == "." or "@package _global_" in path.read_text(encoding="utf-8")
        owner = path.stem if group == "." else f"{group}={path.stem}"
        with suppress(YAMLError):  # a damaged file gives no hints
            written = OmegaConf.to_container(OmegaConf.load(path))
            found += [(name, owner) for name in dotted(written, "" if rooted else f"{group}.")]
    return tuple(found)


def dotted(node: Any, before: str) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else []:
        if isinstance(key, str) and key not in ("_target_", "defaults"):
            yield f"{before}{key}"
            yield from dotted(value, f"{before}{key}.")
