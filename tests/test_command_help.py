"""`--help` fits a screen and names what conf has."""

from __future__ import annotations

from functools import cache

import pytest
from hydra import compose, initialize_config_dir

from ohlora.cli import VERBS
from ohlora.conf_files import CONF


@cache
def help_of(name: str, *overrides: str) -> str:
    """What `--help` prints, less what string.Template would fill in, of which there must be nothing."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        text = compose(name, [*overrides], return_hydra_config=True).hydra.help.template
    assert "$" not in text
    return text


def groups(text: str) -> dict[str, str]:
    """Each group's entry, its lines joined."""
    found: dict[str, str] = {}
    for line in text.partition("Groups:")[2].partition("Settings:")[0].splitlines()[2:]:
        if line[:3].strip():
            name, _, found[name] = line.strip().partition(" ")
        elif line:
            found[name] += " " + line
    return {name: " ".join(entry.split()) for name, entry in found.items()}


@pytest.mark.parametrize("verb", VERBS)
def test_it_fits_a_screen_and_shows_how_the_command_is_typed(verb):
    lines = help_of(verb.replace("-", "_")).splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 140
    assert any("--cfg job" in line for line in lines)


@pytest.mark.parametrize(
    ("verb", "group"),
    [
        ("battle", "challenger"),
        ("battle", "human"),
        ("battle", "league"),
        ("train", "model"),
        ("train", "dataset"),
    ],
)
def test_every_choice_there_is_stands_in_it(verb, group):
    entry = groups(help_of(verb))[group]
    assert entry.rpartition(" (")[0].split(" | ") == sorted(
        path.stem for path in (CONF / group).glob("*.yaml")
    )


BATTLE = {
    "dataset",
    "subset",
    "space",
    "size",
    "challenger",
    "human",
    "narrator",
    "drawn_by",
    "logger",
    "league",
    "ui",
}
TRAIN = {"dataset", "subset", "model", "chooser", "space", "size", "trainer", "logger"}


def test_only_groups_that_count_there():
    assert groups(help_of("battle")).keys() - {"hydra/launcher"} == BATTLE
    assert groups(help_of("train")).keys() - {"hydra/launcher"} == TRAIN
    assert groups(help_of("train", "model=face_vae")).keys() - TRAIN == {"variant", "hydra/launcher"}


def test_what_is_chosen_now_is_marked():
    assert groups(help_of("battle", "challenger=optuna"))["challenger"].endswith("static (optuna)")
