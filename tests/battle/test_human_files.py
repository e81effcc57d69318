"""A human file from a stranger is data: what is no such file is one line, and nothing in it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from tests.conftest import ROOT

from ohlora.battle.contestants.human_file import HumanFile
from ohlora.build import build
from ohlora.door import explain

GOOD = (ROOT / "conf" / "human" / "my_hp.yaml").read_text(encoding="utf-8")
Play = Callable[[bytes], HumanFile]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """The human that `human=x` with `--config-dir` builds of a file's bytes."""

    def read(content: bytes) -> HumanFile:
        (tmp_path / "human").mkdir()
        (tmp_path / "human" / "x.yaml").write_bytes(content)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("battle", ["human=x", f"hydra.searchpath=[file://{tmp_path}]"])
        return build(cfg.challenger)

    return read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "human.first is missing"),
        (b"- 1\n", "human is not a file with name, first and second"),
        (b"5\n", "x.yaml holds one value, not settings"),
        (bytes(range(128, 256)), "x.yaml is not UTF-8 text"),
        (GOOD.encode("utf-16"), "x.yaml is not UTF-8 text"),
        ("name: 지수\n".encode("cp949"), "x.yaml is not UTF-8 text"),
        (b"a:\t- 1\n", "not YAML"),
        (GOOD.replace("name: you", "name: 5").encode(), "human.name=5: a name is text"),
        (b"_target_: pandas.read_pickle\nfilepath_or_buffer: x\n", "nothing else is run"),
        (b"_target_: torch.load\nf: x\n", "nothing else is run"),
        (b"first: {_target_: numpy.load, file: x}\n", "nothing else is run"),
        (b"_target_: joblib.load\nfilename: x\n", "nothing else is run"),
        (b"_target_: pathlib.Path.write_text\n", "nothing else is run"),
        (b"_target_: ohlora.battle.contestants.random.RandomSearch\ntrials: 3\n", "human is not a file with"),
    ],
)
def test_what_is_no_human_file_is_one_line(play: Play, content: bytes, message: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  each library has its own; the door explains all
        play(content)
    said = explain(caught.value)
    assert said is not None
    assert message in said
    assert "\n" not in said


def test_a_copy_of_ours_is_played(play: Play) -> None:
    human = play(GOOD.replace("name: you", 'name: "지수 [/]"').encode())
    assert human.trials == 2
    assert human.content.name == "지수 [/]"
