"""Words without a setting's name."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ohlora.errors import OhloraError
from ohlora.positional import WORDS, as_settings, quoted

NONE_KNOWN = frozenset


def read_back(word: str) -> str:
    override = OverridesParser.create().parse_override(f"folder={quoted(word)}")
    assert not override.is_sweep_override()
    config = OmegaConf.create({"folder": override.value(), "same": "${folder}"})
    assert config.same == config.folder
    return config.folder


@pytest.mark.parametrize(
    "word",
    [
        *(
            "my photos (2)",
            "a=b",
            "고양이 사진",
            "${x}",
            "\\${x}",
            "C:\\data\\",
            'a\\"',
            "it's",
            "[x]",
            "{a: 1}",
        ),
        *(
            "null",
            "12",
            "1e3",
            "true",
            "a,b",
            "choice(x)",
            "range(3)",
            "",
            " ",
            "#x",
            "~/x",
            "a${",
            "🐱",
            "a\nb",
        ),
    ],
)
def test_a_word_is_read_back_to_the_letter(word):
    assert read_back(word) == word


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\\"'${}[],= "), max_size=12))
def test_any_word_is(word):
    assert read_back(word) == word


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["photos", "trials=4"], ['folder="photos"', "trials=4"]),
        (["trials=4", "photos"], ['folder="photos"', "trials=4"]),
        (["photos", "--cfg", "job", "+new=1"], ['folder="photos"', "--cfg", "job", "+new=1"]),
        (["-m", "photos", "trials=0,4"], ['folder="photos"', "-m", "trials=0,4"]),
        (["trials=4", "--", "a=b"], ['folder="a=b"', "trials=4"]),
        (["params.learning_rate=1e-3"], ["params.learning_rate=1e-3"]),
        (["--help"], ["--help"]),
    ],
    ids=str,
)
def test_words_and_settings(typed, meant):
    assert as_settings(typed, WORDS["fit"], NONE_KNOWN) == meant
    assert as_settings(meant, WORDS["fit"], NONE_KNOWN) == meant  # as a process started anew reads them


def test_the_last_setting_takes_the_rest():
    assert as_settings(["model", "a.png", "b c.png", "format=json"], WORDS["predict"], NONE_KNOWN) == [
        'classifier="model"',
        'files=["a.png","b c.png"]',
        "format=json",
    ]


def test_a_folder_with_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("class=2", "trials=4"):
        (tmp_path / name).mkdir()
    assert as_settings(["class=2"], WORDS["fit"], lambda: {"trials"}) == ['folder="class=2"']
    assert as_settings(["trials=4"], WORDS["fit"], lambda: {"trials"}) == ["trials=4"]
    assert as_settings(["./trials=4"], WORDS["fit"], lambda: {"trials"}) == ['folder="./trials=4"']


@pytest.mark.parametrize(
    "typed",
    [["my", "folder=tiny"], ["trials=2", "my", "++folder=tiny"], ["folder=tiny", "--", "my"]],
    ids=str,
)
def test_a_setting_that_a_word_gives(typed):
    with pytest.raises(OhloraError, match=r'folder="my" and \+*folder=tiny: the same setting twice'):
        as_settings(typed, WORDS["fit"], NONE_KNOWN)


def test_a_word_too_many():
    with pytest.raises(OhloraError, match="not also photos"):
        as_settings(["my", "photos"], WORDS["fit"], NONE_KNOWN)
