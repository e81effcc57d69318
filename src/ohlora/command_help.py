"""`--help`: the groups that count for a command with their choices, as conf has them now."""

from __future__ import annotations

import textwrap

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from ohlora.provenance import program

# Groups that others choose from: none of their files but the one in use can stand there.
FIXED = {"axes", "faces", "laboratory", "callbacks"}
LAUNCHER = "hydra/launcher"
WIDTH = 100


def choices(*, _root_: DictConfig) -> str:
    """One entry for each group of the composed config: what may be chosen, and in brackets what is."""
    now = {str(group): str(name) for group, name in reversed(_root_.hydra.runtime.choices.items())}
    groups = [group for group in now if not {"@", "/"} & set(group) and group not in FIXED]
    loader = GlobalHydra.instance().config_loader()
    entries = {group: " | ".join(loader.get_group_options(group)) for group in [*groups, LAUNCHER]}
    margin = max(map(len, entries)) + 4
    return "\n".join(
        textwrap.fill(
            f"{options} ({now[group]})",
            WIDTH,
            initial_indent=f"  {group}".ljust(margin),
            subsequent_indent=" " * margin,
        )
        for group, options in entries.items()
    )


def command() -> str:
    """The command as it was typed, without its settings."""
    return " ".join(program())
