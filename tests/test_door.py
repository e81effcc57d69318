"""The doors: quick when nothing is to be trained, one line when something is wrong, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ohlora.door import as_hydra_reads, explain, one_line_errors, one_line_warning
from ohlora.errors import JobFailed, OhloraError
from ohlora.records.journal import Journal

ROOT = Path(__file__).resolve().parents[1]


class TestExplain:
    """What a config mistake is called; each comes from Hydra itself, not from a made-up exception."""

    @pytest.mark.parametrize(
        ("override", "line"),
        [
            (
                "dataset=digitz",
                "is not one of alphabets | cifar10 | digits | emoji | faces | faces_celebamask | faces_ffhq |"
                " faces_folder | fashion | folder | hangul | icons | letters | mnist | several | shapes |"
                " signs | sounds | speech | textures (did you mean digits?)",
            ),
            ("hydra/launcher=fresj", "(did you mean fresh?)"),
            ("model=cmm", "model=cmm is not one of"),
            ("datset=digits", "datset is not a setting (did you mean dataset"),
            ("budget.epoch=3", "budget.epoch is not a setting (did you mean budget.epochs"),
            (
                "params.lerning_rate=1",
                "params.lerning_rate is not a setting (did you mean params.learning_rate",
            ),
            ("dataset", "missing EQUAL"),
            ("optimizer=sgd", "optimizer is not a setting (did you mean params.optimizer"),
        ],
    )
    def test_a_misspelt_override(self, composed, override, line):
        with pytest.raises((HydraException, OmegaConfBaseException)) as caught:
            composed("train", override)
        told = explain(caught.value)
        assert line in (told or "")
        assert "\n" not in (told or "")

    def test_a_misspelt_config(self, composed):
        with pytest.raises(HydraException) as caught:
            composed("trainn")
        assert "(did you mean train" in (explain(caught.value) or "")

    def test_a_config_file_that_is_not_yaml(self, tmp_path):
        from omegaconf import OmegaConf

        file = tmp_path / "mine.yaml"
        file.write_text("a: 1\nb\nc: 3\n")
        with pytest.raises(YAMLError) as caught:
            OmegaConf.load(file)
        assert (explain(caught.value) or "").startswith(f"{file}, line 3: not YAML")

    def test_a_place_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="Not a directory") as caught:
            (tmp_path / "file" / "run").mkdir()
        told = explain(caught.value) or ""
        assert str(tmp_path / "file" / "run") in told
        assert "paths.output_dir=DIR" in told

    @pytest.mark.parametrize(("place", "hint"), [("out", True), ("out/fit/now", True), ("photos", False)])
    def test_results_go_elsewhere_and_nothing_else_does(self, tmp_path, monkeypatch, place, hint):
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("fit", [f"paths.output_dir={tmp_path / 'out'}"], return_hydra_config=True)
        monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
        HydraConfig.instance().set_config(cfg)
        told = explain(PermissionError(13, "Permission denied", str(tmp_path / place))) or ""
        assert told.startswith(f"cannot use {tmp_path / place}: Permission denied")
        assert ("paths.output_dir=DIR" in told) == hint

    @pytest.mark.parametrize(
        "error", [FileNotFoundError(2, "No such file", "x"), ConnectionResetError(104, "reset")]
    )
    def test_bugs_keep_their_traceback(self, error):
        assert explain(error) is None

    def test_our_own_words_are_kept(self):
        assert explain(OhloraError("a; b")) == "a; b"
        assert explain(JobFailed("job 1 ended", 3)) == "job 1 ended"


LIGHT = """
import runpy, sys
sys.argv = ["train.py", {arguments}]
try:
    runpy.run_path({program!r}, run_name="__main__")
except SystemExit as end:
    assert end.code in (0, None), end.code
heavy = {{"torch", "lightning", "numpy", "pandas", "sklearn", "matplotlib", "wandb"}} & set(sys.modules)
assert not heavy, heavy
print("light")
"""


@pytest.mark.parametrize("arguments", ['"--cfg", "job"', '"--help"', '"--info", "defaults"'])
def test_asking_does_not_import_torch(arguments, tmp_path):
    code = LIGHT.format(arguments=arguments, program=str(ROOT / "train.py"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("light\n")


def one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2 and a single line that says all of `words`."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert [line[:8] for line in lines] == ["ohlora: "], done.stderr
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in done.stdout


class TestMistakes:
    @pytest.mark.slow
    def test_a_misspelt_option_alone_and_in_a_multirun(self, door, tmp_path):
        one_line(door("train.py", "dataset=digitz", cwd=tmp_path), "did you mean digits?")
        one_line(
            door("train.py", "-m", "dataset=digits,digitz", cwd=tmp_path), "dataset=digitz is not one of"
        )
        one_line(door("train.py", "-m", "hydra/launcher=fresj", cwd=tmp_path), "did you mean fresh?")

    @pytest.mark.slow
    def test_wrong_params_all_at_once_before_any_training(self, door, tmp_path):
        done = door(
            "train.py",
            "dataset=digits",
            "params.optimizer=sgd",
            "params.dropout_fc=0.9",
            "params.learning_rate=nan",
            "+params.momentum=0.9",
            cwd=tmp_path,
        )
        one_line(
            done,
            "optimizer='sgd'",
            "dropout_fc=0.9 is outside 0 to 0.6",
            "learning_rate=nan",
            "momentum is not",
        )
        assert not (tmp_path / "outputs" / "table").exists()

    @pytest.mark.slow
    def test_data_that_is_not_there(self, door, tmp_path):
        done = door(
            "train.py", "dataset=mnist", f"paths.data_dir={tmp_path}", "paths.offline=true", cwd=tmp_path
        )
        one_line(done, "MNIST is not in", "dataset=digits")

    def test_an_output_folder_that_cannot_be_written(self, door, tmp_path):
        (tmp_path / "file").touch()  # root may write anywhere, but not into a file
        for multirun in ([], ["-m"]):
            done = door(
                "train.py", *multirun, "dataset=digits", f"paths.output_dir={tmp_path}/file/x", cwd=tmp_path
            )
            one_line(done, "cannot use", "Not a directory", "paths.output_dir=DIR")

    @pytest.mark.slow
    def test_a_table_that_cannot_be_written(self, door, tmp_path):
        (tmp_path / "file").touch()
        done = door(
            "train.py",
            "dataset=digits",
            "size=smoke",
            "trials=2",
            f"paths.table={tmp_path}/file/table",
            cwd=tmp_path,
        )
        assert done.returncode == 2, done.stderr
        assert "cannot use" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
class TestCtrlC:
    @pytest.mark.parametrize("multirun", [[], ["-m"]], ids=["alone", "multirun"])
    def test_stops_a_sweep_and_keeps_what_was_finished(self, multirun, python, tmp_path):
        command = [python, str(ROOT / "train.py"), *multirun, "dataset=digits", "trials=500"]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        journal = Journal(tmp_path / "outputs" / "table")
        end = time.monotonic() + 150
        while len(journal.records()) < 3:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody in the foreground hears it
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "stopped; what was finished is kept" in errors
        assert "Traceback" not in errors
        kept = Journal(tmp_path / "outputs" / "table").records()
        assert 3 <= len(kept) < 500

    def test_stops_a_watched_trial(self, python, tmp_path):
        command = [
            python,
            str(ROOT / "train.py"),
            "dataset=digits",
            "trials=1",
            "budget.min_steps=100000",
        ]
        process = subprocess.Popen(
            [*command, "budget.patience=1000", "budget.checks=1000"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        end = time.monotonic() + 150
        while not list(tmp_path.rglob("*.ckpt")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors


TWICE = """
import atexit, signal
from ohlora.door import one_line_errors
atexit.register(signal.raise_signal, signal.SIGINT)
with one_line_errors():
    raise KeyboardInterrupt
"""


def test_ctrl_c_twice_is_no_traceback():
    """An impatient second one, or one that a shell hands on, comes while Python shuts down."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "\nohlora: stopped; what was finished is kept\n")


def test_what_a_stopped_job_has_kept_it_says_itself(capsys, monkeypatch):
    monkeypatch.setattr("ohlora.door.end_at_once", lambda: None)
    job = SimpleNamespace(kept=lambda: "nothing was kept", run=lambda: signal.raise_signal(signal.SIGINT))

    def run():
        with one_line_errors() as under_way:
            under_way.job = job
            job.run()

    with pytest.raises(SystemExit):
        run()
    assert capsys.readouterr().err == "\nohlora: stopped; nothing was kept\n"


@pytest.mark.parametrize("command", [("advise", "photos", "--chek"), ("battle.py", "--chek")], ids=" ".join)
def test_a_flag_that_is_none_is_one_line(door, tmp_path, command):
    one_line(door(*command, cwd=tmp_path), "--chek is not a flag", "--multirun")


def test_a_flag_without_its_value_is_one_line(door, tmp_path):
    one_line(door("battle.py", "--cfg", cwd=tmp_path), "expected one argument", "--multirun")


def test_a_warning_is_one_line_without_source(capsys):
    one_line_warning("two\n  lines \x1b[31m", UserWarning, "/somewhere/journal.py", 17)
    assert capsys.readouterr().err == "ohlora: two lines \ufffd[31m\n"


REFUSED = """
import runpy, sys
sys.argv = ["battle.py", "language=fr", "human.first.learning_rate=1"]
try:
    runpy.run_path({program!r}, run_name="__main__")
except SystemExit as end:
    assert end.code == 2, end.code
assert not {{"torch", "lightning", "pandas", "sklearn", "matplotlib"}} & set(sys.modules)
"""


def test_wrong_values_are_refused_together_and_without_torch(tmp_path):
    code = REFUSED.format(program=str(ROOT / "battle.py"))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "language=fr is not one of ko | en" in done.stderr
    assert "learning_rate=1 is outside" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("own", "found"), [({}, "3000"), ({"GOMP_SPINCOUNT": "9"}, "9")])
def test_threads_spin_little_while_they_wait_unless_told(own, found):
    """Before torch is imported, which reads it once."""
    asks = "import os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    code = f"from ohlora.door import enter; enter(lambda: exec({asks!r}))"
    rest = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**rest, **own}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [found, "False"]


class TestWhatIsTyped:
    @pytest.mark.parametrize(
        "value",
        [
            "사진",
            "photos (1)",
            "C:\\Users\\한 글\\",
            'a"b (1)',
            "a=b",
            "it's (2)",
            "plain",
            "오로라!",
            "2 (너)\\",
        ],
    )
    def test_any_folder_can_be_named(self, value):
        read = OverridesParser.create().parse_override(as_hydra_reads(f"dataset.root={value}"))
        assert (read.key_or_group, read.value()) == ("dataset.root", value)

    @pytest.mark.parametrize(
        "argument",
        [
            "-m",
            "--config-dir=x y(",
            "~dataset",
            "dataset=mnist,fashion",
            "seeds=[1,2",
            "x='사진'",
            "x=${a.b}",
            "x=",
        ],
    )
    def test_what_hydra_reads_or_says_itself_is_left_to_it(self, argument):
        assert as_hydra_reads(argument) == argument

    def test_home_is_expanded_everywhere(self, monkeypatch):
        monkeypatch.setenv("HOME", "/home/me")
        monkeypatch.setenv("USERPROFILE", "/home/me")
        assert as_hydra_reads("paths.output_dir=~/out") == f"paths.output_dir={Path('/home/me/out')}"
        assert as_hydra_reads("dataset.root=~/내 사진") == f'dataset.root="{Path("/home/me/내 사진")}"'
