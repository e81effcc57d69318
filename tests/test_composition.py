"""What a config may not make Hydra do, found before Hydra acts on it."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir

from ohlora.composition import added_settings, checked_configs, undecodable
from ohlora.conf_files import CONF
from ohlora.door import explain
from ohlora.errors import OhloraError


@pytest.fixture
def refused():
    """`refused("paths.output_dir=")`: what a door says to it."""

    def said(*overrides: str) -> str:
        with initialize_config_dir(str(CONF), version_base="1.3"), checked_configs(explain):
            with pytest.raises(OhloraError) as caught:
                compose("battle", [*overrides], return_hydra_config=True)
            return str(caught.value)

    return said


@pytest.fixture
def foreign(tmp_path, refused):
    """`foreign(content)`: what a door says to a human file that came from somebody."""

    def said(content: bytes) -> str:
        (tmp_path / "human").mkdir(exist_ok=True)
        (tmp_path / "human" / "theirs.yaml").write_bytes(content)
        return refused(f"hydra.searchpath=[file://{tmp_path}]", "human=theirs")

    return said


def test_all_is_well_with_ours():
    with initialize_config_dir(str(CONF), version_base="1.3"), checked_configs(explain):
        assert compose("battle", return_hydra_config=True).paths.output_dir == "outputs"


def test_a_place_that_hangs_on_the_job_is_known_later():
    with initialize_config_dir(str(CONF), version_base="1.3"), checked_configs(explain):
        compose("train", ["paths.table=tables/${hydra:job.num}"], return_hydra_config=True)


def test_every_wrong_word_is_told_at_once(refused):
    said = refused("league=zero", "humann=x", "dataset=foo", "human.first.learning_rat=1", "paths.table=[a]")
    for fault in (
        "league=zero is not one of",
        "humann is not a setting",
        "dataset=foo is not one of",
        "human.first.learning_rat is not a setting",
        "paths.table=['a'] is not text",
    ):
        assert said.count(fault) == 1, said


def test_wrong_values_are_told_beside_wrong_words(refused):
    typed = ["human.first.learning_rate=abc", "hardware.precision=33", "bogus=1", "dataset=mnits"]
    assert refused(*typed).split("; ")[-2:] == [
        "hardware.precision=33 is not one of auto | 32 | bf16",
        "first attempt: learning_rate='abc' is not a number (2e-05 to 0.05 (log))",
    ]
    assert "learning_rate" not in refused("human.first.learning_rate=1e-3", "bogus=1")


def test_what_a_misspelt_group_would_have_is_not_called_unknown(refused):
    assert "dataset.root" not in refused("dataset=foldr", "dataset.root=x")
    assert "challenger.trials" not in refused("challenger=optunna", "challenger.trials=0")


def test_a_setting_of_what_was_not_chosen_is_said_to_be_of_that(refused):
    told = refused("league.contestants.tpe.trials=[1]")
    assert told == "league.contestants.tpe.trials is a setting of league=standard, not of what is chosen here"
    told = refused("dataset.root=x")
    assert "dataset.root is a setting of " in told
    assert "dataset=folder" in told


def test_a_group_that_is_not_in_use_is_not_called_unknown(refused):
    assert refused("league=standard", "ui=web") == "ui is a group of settings that this command does not use"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("paths.output_dir=", "paths.output_dir= is not text, not empty"),
        ("paths.output_dir=null", "paths.output_dir=null is not text"),
        ("paths.table=[a]", "paths.table=['a'] is not text"),
        ("paths.offline=maybe", "paths.offline=maybe is not true or false"),
        ("paths=null", "paths=null is not a table of folders"),
        ("dataset=null", "dataset=null: a group takes the name of one of its files"),
        ("space=5", "space=5: a group takes"),
    ],
)
def test_a_place_that_is_none(refused, override, line):
    assert line in refused(override)


def test_a_file_that_is_not_utf8_is_named(foreign, tmp_path):
    assert "is not UTF-8 text" in foreign("name: 홍길동\n".encode("cp949"))
    assert undecodable([f"file://{tmp_path}"]) == str(tmp_path / "human" / "theirs.yaml")


EVIL = b"# @package _global_\nhydra:\n  %s\n"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"callbacks: {x: {_target_: pathlib.Path.write_text}}", "pathlib.Path.write_text"),
        (b"job_logging: {filters: {a: {(): os.system, command: x}}}", "os.system"),
        (b"job_logging: {handlers: {a: {class: logging.os.system}}}", "logging.os.system"),
        (b"hydra_logging: {handlers: {a: {class: pickle.load}}}", "pickle.load"),
        (b"job_logging: {handlers: {a: {stream: 'ext://os.environ'}}}", "ext://os.environ"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_would_run_something_is_refused(foreign, content, named):
    assert f"{named} is not run from a config" in foreign(EVIL % content)


def test_what_a_command_line_adds():
    words = [
        "a=1",
        "+foo=1",
        "++subset.sed=2",
        "+trainer={a: 1, b: {c: [2]}}",
        "+hydra.x=1",
        "+dataset@b=mnist",
    ]
    assert added_settings(words, []) == ["foo", "subset.sed", "trainer.a", "trainer.b.c"]
    assert added_settings(["+experiment=mine", "+job._partial_=true"], ["experiment"]) == []
