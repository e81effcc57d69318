"""A config becomes the objects it names, and only ours; what is wrong with it is told all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ohlora.build import HEAVY, OURS, build
from ohlora.config import Count, Name, Share, config, deferred
from ohlora.errors import OhloraError

HERE = "tests_build_targets"


@config
class Family:
    name: Name
    share: Share


@config
class Log:
    folder: Name

    def make(self) -> list[str]:
        return ["log", self.folder]


@config
class Work:
    family: Family
    trials: Count
    logger: object
    note: str = "none"


@pytest.fixture
def house(monkeypatch):
    """The classes above as a module of ours."""
    name = "ohlora.tests_build_targets"
    monkeypatch.setitem(sys.modules, name, sys.modules[__name__])
    for one in (Family, Log, Work):
        monkeypatch.setattr(one, "__module__", name)
    return name


@pytest.fixture
def settings(house):
    """A config as a door composes it: settings at the root, a job that refers to them."""
    return OmegaConf.create(
        {
            "subset": {"family": {"_target_": f"{house}.Family", "name": "varied", "share": 0.5}},
            "logger": {"_target_": f"{house}.Log", "folder": "run"},
            "trials": 3,
            "job": {"_target_": f"{house}.Work", "family": "${subset.family}"},
        }
    )


def faults(settings) -> str:
    with pytest.raises(OhloraError) as caught:
        build(settings.job)
    return str(caught.value)


class TestJob:
    def test_takes_from_the_root_what_its_node_does_not_give(self, settings):
        job = build(settings.job)
        assert (job.trials, job.family.share, job.note) == (3, 0.5, "none")

    def test_what_its_node_gives_counts(self, settings):
        settings.job.trials = 7
        assert build(settings.job).trials == 7

    def test_loggers_are_made_when_all_else_is_right(self, settings, monkeypatch):
        assert build(settings.job).logger == ["log", "run"]
        made = []
        monkeypatch.setattr(Log, "make", lambda self: made.append(self))
        settings.trials = 0
        faults(settings)
        assert not made

    def test_what_makes_a_logger_is_not_imported_before(self, settings, monkeypatch):
        monkeypatch.setattr(Log, "make", deferred("ohlora.not_there", "make_log"))
        settings.trials = 0
        assert "trials=0 is not" in faults(settings)

    def test_two_references_to_a_setting_are_one_object(self, settings):
        settings.job.note = "${subset.family.name}"
        settings.other = {"a": "${subset.family}", "b": "${subset.family}"}
        other = build(settings.other)
        assert other["a"] is other["b"]


class TestFaults:
    def test_are_named_as_they_are_typed_and_told_at_once(self, settings):
        settings.subset.family.share = 2
        settings.subset.family.nmae = "x"
        settings.trials = "many"
        del settings.logger["folder"]
        told = faults(settings)
        for fault in (
            "subset.family.share=2 is not a number from 0 to 1",
            "subset.family.nmae is not a setting here (did you mean name?)",
            "trials=many is not a whole number from 1 up",
            "logger.folder is missing",
        ):
            assert fault in told
        assert told.count("family.share") == 1

    def test_a_setting_that_is_not_there(self, settings):
        del settings["trials"]
        assert "trials is missing (a whole number from 1 up)" in faults(settings)

    def test_a_part_that_is_null(self, settings):
        settings.subset.family = None
        assert "subset.family=null is not" in faults(settings)

    def test_a_chain_of_references_is_followed_to_the_setting(self, settings):
        settings.amount = 0
        settings.trials = "${amount}"
        assert "amount=0 is not" in faults(settings)


class TestTargets:
    """A config may come from somebody else: it runs nothing but what it is for."""

    @pytest.mark.parametrize(
        "target",
        [
            "pandas.read_pickle",
            "torch.load",
            "numpy.load",
            "joblib.load",
            "pathlib.Path.write_text",
            "urllib.request.urlretrieve",
            "os.system",
            "builtins.eval",
            "functools.partial",
            "ohlora.door.os.system",
            "ohlora.door.os",
            "ohlora.assets.Path",
            "ohlora.door.leave_answer",
            "ohlora.durable.write_json",
            "ohlora.errors.OhloraError",
            "ohlora.space.Space.check",
            "ohlora.nowhere.Real",
            "ohlora.space.Rael",
            "ohlora",
            "hydra_plugins.ohlora_launcher.fresh.subprocess.run",
            "hydra.utils.instantiate",
            5,
            None,
        ],
    )
    @pytest.mark.parametrize("extra", [{}, {"_args_": ["x.pkl"]}, {"_partial_": True}], ids=str)
    def test_no_other_is_called(self, settings, target, extra):
        evil = {"_target_": target, **extra}
        shown = f"_target_={'null' if target is None else target} is not"
        for place in ({"a": {"b": [evil]}}, {"note": evil}):
            assert shown in faults(OmegaConf.merge(settings, {"job": place}))
        with pytest.raises(OhloraError, match="nothing else is run"):
            build(OmegaConf.create(evil))

    def test_nothing_is_imported_to_find_that_out(self, settings, tmp_path, monkeypatch):
        (tmp_path / "strange_module.py").write_text("raise SystemExit('imported')")
        monkeypatch.syspath_prepend(tmp_path)
        settings.job.note = {"_target_": "strange_module.Thing"}
        assert "strange_module" in faults(settings)

    def test_no_arguments_without_a_name(self, settings):
        settings.subset.family._args_ = ["x"]
        assert "subset.family: _args_ is not a setting here" in faults(settings)

    def test_what_the_environment_trusts(self, settings, monkeypatch):
        monkeypatch.setattr("ohlora.build.TRUSTED", {"pathlib.PurePosixPath"})
        settings.job.note = {"_target_": "pathlib.PurePosixPath"}
        assert "note=. is not text" in faults(settings)


class TestAdded:
    def test_a_setting_that_nothing_takes_is_refused_with_all_else(self, settings):
        settings.trials, settings.foo, settings.subset.sead = 0, 1, 1
        with pytest.raises(OhloraError) as caught:
            build(settings.job, ["foo", "subset.sead"])
        told = str(caught.value)
        assert "trials=0" in told
        assert "foo is not a setting here" in told
        assert "subset.sead is not a setting here" in told

    def test_one_that_is_taken_is_none(self, settings):
        settings.note, settings.times = "mine", 3
        settings.trials = "${times}"
        assert build(settings.job, ["note", "times"]).note == "mine"

    def test_a_key_that_a_class_refuses_is_told_once(self, settings):
        settings.subset.family.foo = 1
        with pytest.raises(OhloraError) as caught:
            build(settings.job, ["subset.family.foo"])
        assert str(caught.value).count("foo is not a setting here") == 1


@pytest.fixture(scope="module")
def targets() -> set[str]:
    """Every class that conf names."""
    conf = Path(__file__).resolve().parents[1] / "conf"
    named = set()
    for path in conf.rglob("*.yaml"):
        if "hydra" not in path.parts:
            for line in path.read_text(encoding="utf-8").splitlines():
                _, found, rest = line.partition("_target_: ")
                if found:
                    named.add(rest.split(",")[0].split()[0])
    assert len(named) > 40
    return named


def test_every_target_of_conf_may_be_named(targets):
    assert all(OURS.fullmatch(name) for name in targets)


def test_what_is_not_said_to_be_heavy_imports_no_torch(targets):
    light = {name.rpartition(".")[0] for name in targets if not name.startswith((*HEAVY, "hydra_plugins"))}
    assert {"ohlora.features.autoencoder_job", "ohlora.trials.jobs"} <= light
    heavy = "{'torch', 'lightning', 'pandas', 'sklearn', 'matplotlib', 'transformers'}"
    code = f"import sys\nfor name in {sorted(light)}: __import__(name)\nassert not {heavy} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
