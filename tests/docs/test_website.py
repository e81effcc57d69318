"""The site: its navigation and links, the pages made from conf, what is loaded; the strict build is slow."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from docs.website import settings, staging
from docs.website.finished import faults
from tests.docs.pages import ROOT

import ohlora


class Ignoring(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name functions of Zensical's."""


Ignoring.add_multi_constructor("", lambda loader, suffix, node: None)


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    staging.stage(folder)  # raises for links that lead to no file
    return folder


def navigation(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    children = node.values() if isinstance(node, dict) else node
    return [name for child in children for name in navigation(child)]  # type: ignore[union-attr]


def test_every_page_is_in_the_navigation_and_the_other_way_round(staged):
    content = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Ignoring)
    listed = navigation(content["nav"])
    assert len(listed) == len(set(listed))
    pages = {path.relative_to(staged).as_posix() for path in staged.rglob("*.md")}
    folders = tuple(name for name in listed if name.endswith("/"))
    ours = {name for name in pages if not name.startswith(("results/", "repository/", *folders))}
    assert ours == {name for name in listed if not name.endswith("/")}
    for folder in folders:
        summary = (staged / folder / "SUMMARY.md").read_text(encoding="utf-8")
        made = {name.removeprefix(folder) for name in pages if name.startswith(folder)}
        assert set(re.findall(r"\]\((.+?)\)", summary)) == made - {"SUMMARY.md"}


def test_links_of_the_home_page_lead_into_the_site(staged):
    home = (staged / "index.md").read_text(encoding="utf-8")
    assert "](battle.md#in-a-browser)" in home
    assert "](docs/" not in home
    assert "](../battle.md)" not in home
    assert "](battle.md#브라우저에서)" in (staged / "ko" / "index.md").read_text(encoding="utf-8")


def test_every_group_and_choice_of_conf_has_its_place(staged):
    files = [path.relative_to(staging.ROOT / "conf") for path in (staging.ROOT / "conf").rglob("*.yaml")]
    for file in files:
        group = file.parent.as_posix()
        if group == "." or group in ("hydra/help", "hydra/job_logging"):
            continue
        page = (staged / "settings" / f"{group}.md").read_text(encoding="utf-8")
        assert f"\n## {file.stem}\n" in page


def test_a_setting_stands_there_with_default_range_and_comment():
    made = settings.pages()
    assert "| `subset.family.imbalance` | `[1, 20]` | a pair" in made["settings/subset.md"]
    assert "largest class over smallest; null: as the images fall |" in made["settings/subset.md"]
    assert "| `trainer.strategy` | `ddp` | one of auto \\| ddp |" in made["settings/trainer.md"]
    assert "| `ombre.hue` | `0.78` | a number from 0 to 1 | at time 0" in made["settings/faces.md"]
    assert "| `image_size` | `32` | a whole number from 4 to 1024 |" in made["commands/fit.md"]
    assert "python -m ohlora fit DIR save_to=my_model" in made["commands/fit.md"]


@pytest.mark.parametrize("command", ["fit", "battle", "train"])
def test_names_of_settings_are_those_of_the_command_line(command, composed):
    cfg = composed(command)
    file = settings.ConfigFile(settings.CONF / f"{command}.yaml")
    names = [one.name for one in file.settings()]
    for default in file.defaults:
        if default.group in settings.groups() and default.choice != "null":
            chosen = next(f for f in settings.groups()[default.group] if f.path.stem == default.choice)
            names += [one.name for one in chosen.settings()]
    assert len(names) > 10
    for name in names:
        if not name.startswith("hydra."):
            node = cfg
            for part in name.split("."):
                assert part in node, name
                node = node._get_node(part)
                node = node._dereference_node() if node._is_interpolation() else node


def test_the_python_page_has_the_whole_public_surface():
    page = (staging.OWN_PAGES / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: ohlora\.(\w+)$", page, re.M)
    assert sorted(shown) == sorted(set(ohlora.__all__) - {"__version__"})


def test_a_faulty_site_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<script src="https://cdn.example/x.js"></script><a id="x" href="b.html#nowhere">b</a>'
        '<img src="no.png"><a href="#x">here</a><a href="https://example.org">elsewhere</a>',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text("<p id='y'></p>", encoding="utf-8")
    assert faults(tmp_path) == [
        "a.html links b.html#nowhere, which has no such heading",
        "a.html links no.png, which is not there",
        "a.html loads https://cdn.example/x.js",
    ]


@pytest.mark.slow
def test_it_builds_strictly(tmp_path, monkeypatch, capsys):
    pytest.importorskip("zensical")
    from docs.website import __main__ as website

    assert website.main() == 0, capsys.readouterr().err
    assert '<html lang="ko"' in (website.SITE / "ko" / "index.html").read_text(encoding="utf-8")
    assert sys.modules["docs.website.settings"] is settings
