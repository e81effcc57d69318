"""`-m`: every job its own process, through the real train.py."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.conftest import COMMAND_S
from tests.offline_runs import only_run

from hydra_plugins.ohlora_launcher._jobs import config_arguments, cores, quoted, stop
from hydra_plugins.ohlora_launcher.fresh import FreshLauncher, visible_cards
from ohlora.durable import owned
from ohlora.errors import OhloraError
from ohlora.records.table import read_table
from ohlora.signals import exists

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("size=smoke", "trials=3", "trials_per_subset=2")


def journal(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "outputs" / "table" / "journal").iterdir()}


@pytest.mark.slow
def test_a_multirun_resumes_grows_and_shares_a_table(door, tmp_path):
    jobs = ("-m", "dataset=digits", "space=default,classic", "hydra.launcher.n_jobs=2")
    first = door("train.py", *jobs, *SMALL, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("3 trials, 3 of them new") == 2
    (sweep,) = (tmp_path / "outputs" / "cnn_sweep").iterdir()
    for number, space in enumerate(("default", "classic")):
        overrides = yaml.safe_load((sweep / str(number) / ".hydra" / "overrides.yaml").read_text())
        assert f"space={space}" in overrides
        assert (sweep / str(number) / "csv" / "metrics.csv").is_file()
        assert json.loads((sweep / str(number) / "finished.json").read_text())["answer"] > 0
    before = journal(tmp_path)
    table = read_table([tmp_path / "outputs" / "table"])
    assert len(table) == 6
    assert len(before) == 2, "each job is a process with a shard of its own"

    again = door("train.py", *jobs, *SMALL, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert journal(tmp_path) == before
    assert again.stdout.count("3 trials, 0 of them new") == 2

    larger = door("train.py", "dataset=digits", "size=smoke", "trials=5", "trials_per_subset=2", cwd=tmp_path)
    assert larger.returncode == 0, larger.stderr
    grown = read_table([tmp_path / "outputs" / "table"])
    assert len(grown) == 8
    assert grown[grown.trial.isin(table.trial)].reset_index(drop=True).equals(table)


@pytest.mark.slow
def test_workers_share_one_sweep(door, tmp_path):
    words = ("dataset=digits", "size=smoke", "trials=6", "trials_per_subset=2")
    side_by_side = ("worker=range(2)", "hydra.launcher.n_jobs=2", "logger=wandb", "hydra.sweep.dir=both")
    done = door("train.py", "-m", *words, *side_by_side, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [only_run(tmp_path / "both" / number) for number in "01"]  # a W&B run a job, each finished
    assert [run.exits for run in runs] == [[0], [0]]
    assert {run.about["run_group"] for run in runs} == {"both"}
    new = [int(count) for count in re.findall(r"(\d+) of them new", done.stdout)]
    assert len(new) == 2
    assert sum(new) == 6, "each trial once"
    assert len(read_table([tmp_path / "outputs" / "table"])) == 6


@pytest.mark.slow
def test_workers_with_subsets_and_tables_of_their_own_need_no_claims(door, tmp_path):
    """As docs/large_sweeps.md says for many machines: tables that are merged by copying."""
    words = (
        "dataset=digits",
        "size=smoke",
        "trials=2",
        "trials_per_subset=1",
        "subset.seed=range(0,200,100)",
    )
    done = door("train.py", "-m", *words, "paths.table=tables/${hydra:job.num}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    merged = tmp_path / "merged" / "journal"
    merged.mkdir(parents=True)
    for _ in range(2):  # copied twice, counted once
        for shard in (tmp_path / "tables").rglob("*.jsonl"):
            shutil.copy(shard, merged)
    shutil.copy(shard, merged / "again.jsonl")
    table = read_table([merged.parent])
    assert len(table) == 4
    assert table.seed.nunique() == 4
    assert sorted(table.seed // 100) == [0, 0, 1, 1]


@pytest.mark.slow
def test_one_failing_job_does_not_stop_the_others(door, tmp_path):
    done = door("train.py", "-m", "dataset=folder,digits", *SMALL, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "dataset=folder needs dataset.root=DIR" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "1 of 2 jobs ended with an error: 0 (dataset=folder size=smoke" in last
    assert "with exit code 2; the others are finished" in last
    assert "Traceback" not in done.stderr
    assert len(read_table([tmp_path / "outputs" / "table"])) == 3


PROGRAM = """
import json, os, sys, time
import hydra
from pathlib import Path
from hydra.core.hydra_config import HydraConfig
from ohlora.door import enter, leave_answer

@hydra.main(version_base="1.3", config_path="conf", config_name="job")
def main(cfg):
    start = time.time()
    (Path(HydraConfig.get().runtime.output_dir) / "pid").write_text(str(os.getpid()))
    time.sleep(cfg.seconds)
    if cfg.crash:
        os._exit(cfg.crash)
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "LOCAL_RANK", "SLURM_NTASKS", "OHLORA_SWEEP")
    seen = {**{name: os.environ.get(name) for name in names}, "start": start, "end": time.time()}
    out = Path(HydraConfig.get().runtime.output_dir)
    (out / "seen.json").write_text(json.dumps({**seen, "mode": HydraConfig.get().mode.name}))
    leave_answer(cfg.number / 2)

enter(main)
"""


@pytest.fixture(scope="module")
def launch(tmp_path_factory, python):
    """`launch("-m", "number=1,2")`: a program that only notes where it finds itself."""
    home = tmp_path_factory.mktemp("program")
    (home / "program.py").write_text(PROGRAM)
    (home / "conf").mkdir()
    (home / "conf" / "job.yaml").write_text(
        "defaults: [_self_, {override hydra/launcher: fresh}]\n"
        "number: 0\nseconds: 0.0\ncrash: 0\nhydra: {sweep: {dir: sweep, subdir: '${hydra.job.num}'}}\n"
    )
    shutil.copytree(ROOT / "conf" / "hydra", home / "conf" / "hydra")

    def run(*words, cwd, wait=True, **environment):
        variables = {
            k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        }
        command = [python, str(home / "program.py"), "-m", *words]
        settings = {"cwd": cwd, "env": {**variables, **environment}, "text": True}
        if not wait:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **settings)
        done = subprocess.run(command, capture_output=True, timeout=120, **settings)
        seen = {
            int(path.parent.name): json.loads(path.read_text())
            for path in (cwd / "sweep").glob("*/seen.json")
        }
        return done, seen

    return run


@pytest.mark.slow
def test_each_job_has_its_own_card_and_a_free_one_is_used_again(launch, tmp_path):
    words = ("number=0,1,2", "seconds=2.0", "hydra.launcher.gpus=[0,2]")
    done, seen = launch(*words, cwd=tmp_path, CUDA_VISIBLE_DEVICES="4,5,6", LOCAL_RANK="1", SLURM_NTASKS="1")
    assert done.returncode == 0, done.stderr
    assert {job["CUDA_VISIBLE_DEVICES"] for job in (seen[0], seen[1])} == {"4", "6"}
    assert seen[2]["CUDA_VISIBLE_DEVICES"] in ("4", "6")
    assert seen[1]["start"] < seen[0]["end"], "two at a time"
    assert seen[2]["start"] >= min(seen[0]["end"], seen[1]["end"]), "the third waits for a card"
    for job in seen.values():
        assert job["mode"] == "RUN"
        assert job["LOCAL_RANK"] is None
        assert job["SLURM_NTASKS"] is None
        assert job["OHLORA_SWEEP"] == "sweep"
        assert job["OMP_NUM_THREADS"] == str(max(1, cores() // 2))


@pytest.mark.slow
def test_a_killed_job_is_told_and_the_others_go_on(launch, tmp_path):
    words = ("number=0,1,2", "hydra.launcher.n_jobs=3", "crash=0,7")
    done, seen = launch(*words, cwd=tmp_path, OMP_NUM_THREADS="1")
    assert done.returncode == 7
    assert sorted(seen) == [0, 2, 4]
    assert "3 of 6 jobs ended with an error: 1 (number=0 crash=7) with exit code 7" in done.stderr
    assert {job["OMP_NUM_THREADS"] for job in seen.values()} == {"1"}
    stamps = {n: job["start"] for n, job in seen.items()}
    done, seen = launch(*words, "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert "3 of 6 jobs are finished and skipped" in done.stdout
    assert {n: job["start"] for n, job in seen.items()} == stamps


@pytest.mark.slow
def test_the_same_sweep_directory_runs_only_what_is_not_finished(launch, tmp_path):
    """Finished, failed, killed before its end, and another job under the same number."""
    done, first = launch("number=1", "crash=0,7", cwd=tmp_path)
    assert done.returncode == 7
    folder = tmp_path / "sweep" / "0"
    assert not (tmp_path / "sweep" / "1" / "finished.json").exists()

    done, seen = launch("number=1", "crash=0,7", cwd=tmp_path)
    assert done.returncode == 7, "what had failed has run again"
    assert "ohlora: 1 of 2 jobs are finished and skipped" in done.stdout
    assert seen[0] == first[0]

    done, _ = launch("number=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stdout
    assert json.loads((folder / "finished.json").read_text())["answer"] == 2.5

    (folder / "finished.json").unlink()  # as a kill leaves it
    done, seen = launch("number=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "finished.json").exists(), "it has run again"
    done, again = launch("number=5", "hydra.launcher.n_jobs=2", cwd=tmp_path)
    assert "ohlora: 1 of 1 jobs are finished and skipped" in done.stdout, "how jobs start is not the job"
    assert again[0] == seen[0]


def test_two_launchers_never_share_a_folder(launch, tmp_path):
    with owned(tmp_path / "sweep", "sweep"):
        done, seen = launch("number=1", cwd=tmp_path)
    assert done.returncode == 2
    assert f"another sweep is at work in {(tmp_path / 'sweep').as_posix()}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not seen
    done, seen = launch("number=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(seen) == [0]


def launcher(n_jobs, gpus, gpus_per_job) -> FreshLauncher:
    return FreshLauncher(n_jobs=n_jobs, gpus=gpus, gpus_per_job=gpus_per_job)


class TestSettings:
    @pytest.fixture(autouse=True)
    def three_cards(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-6f")

    @pytest.mark.parametrize(
        ("settings", "slots"),
        [
            ((None, None, 1), [None]),
            ((3, None, 1), [None] * 3),
            ((None, 2, 1), ["4", "5"]),
            ((None, "auto", 1), ["4", "5", "GPU-6f"]),
            ((1, "auto", 1), ["4"]),
            ((None, [1, "GPU-6f"], 1), ["5", "GPU-6f"]),
            ((None, "auto", 2), ["4,5"]),
            ((None, 2, 0.5), ["4", "4", "5", "5"]),
            ((3, 2, 0.5), ["4", "4", "5"]),
        ],
    )
    def test_slots(self, settings, slots):
        assert launcher(*settings).slots == slots

    @pytest.mark.parametrize(
        ("settings", "faults"),
        [
            ((0, None, 1), ["n_jobs=0 is not"]),
            ((0, -1, 0), ["n_jobs=0 is not", "gpus=-1 is not", "gpus_per_job=0 is not"]),
            ((True, "all", 1.5), ["n_jobs=true", "gpus=all is not", "gpus_per_job=1.5"]),
            ((None, 4, 1), ["gpus=4, but the cards here are 3"]),
            ((None, [0, 3], 1), ["these are here: 0, 1, 2"]),
            ((None, [0, 0], 1), ["named once each"]),
            ((None, [], 1), ["gpus=[] is not"]),
            ((None, 2, 3), ["gpus_per_job=3, but the cards for all jobs (gpus=2) are 2"]),
            ((3, 2, 1), ["n_jobs=3, but the cards (gpus=2) are enough for 2"]),
        ],
    )
    def test_every_fault_is_named(self, settings, faults):
        with pytest.raises(OhloraError) as caught:
            launcher(*settings)
        told = str(caught.value).split("; ")
        assert len(told) == len(faults)
        for fault in faults:
            assert any(fault in one and one.startswith("hydra.launcher.") for one in told)

    @pytest.mark.parametrize("value", ["", "-1", "-1,0"])
    def test_a_machine_told_to_have_no_card_has_none(self, monkeypatch, value):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        with pytest.raises(OhloraError, match="gpus=auto, but there is no card here"):
            launcher(None, "auto", 1)

    @pytest.mark.slow
    def test_torch_is_asked_where_nobody_says(self, monkeypatch):
        import torch

        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        assert visible_cards() == [str(n) for n in range(torch.cuda.device_count())]


def test_bad_settings_are_told_before_anything_starts(launch, tmp_path):
    done, seen = launch("number=1", "hydra.launcher.n_jobs=0", "hydra.launcher.gpus=no", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "hydra.launcher.gpus=no is not" in done.stderr
    assert "hydra.launcher.n_jobs=0 is not" in done.stderr
    assert not seen


def test_a_sweep_without_jobs_is_refused(launch, tmp_path):
    done, seen = launch("number=range(0)", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr
        == "ohlora: this sweep has no jobs: one of its lists or ranges is empty, such as range(0)\n"
    )
    assert not seen


@pytest.mark.slow
def test_jobs_side_by_side_say_where_they_are(launch, tmp_path, monkeypatch):
    """Into a file: at once how many there are, and then a line now and then with those that run."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import ohlora.progress\nohlora.progress.LINE_EVERY_S = 0.3\n")
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = ("number=0,1,2", "seconds=1.5", "hydra.launcher.n_jobs=2")
    done, _ = launch(*words, cwd=tmp_path, PYTHONPATH=paths)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ohlora: 3 jobs; what each prints: ")
    assert any(line.startswith("jobs: 0 of 3, 0 (number=0 seconds=1.5) · 1 (number=1") for line in lines), (
        lines
    )
    assert any(line.startswith("jobs: 2 of 3, 2 (number=2 seconds=1.5)") for line in lines), lines


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_job_outlives_its_launcher(number, launch, tmp_path):
    """A closed terminal, a shutdown, kill -9: four jobs, started and ended."""
    words = ("number=0,1,2,3", "seconds=60", "hydra.launcher.n_jobs=4")
    process = launch(*words, cwd=tmp_path, wait=False)
    pids = [tmp_path / "sweep" / str(n) / "pid" for n in range(4)]
    end = time.monotonic() + 60
    while not all(pid.exists() and pid.read_text() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=COMMAND_S)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert "Traceback" not in errors
    end = time.monotonic() + 15
    while left := [pid.read_text() for pid in pids if is_running(int(pid.read_text()))]:
        assert time.monotonic() < end, f"{len(left)} of 4 go on"
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie, which in a container may have no parent to look at it."""
    status = Path(f"/proc/{pid}/status")
    if Path("/proc/self/status").exists():
        return status.exists() and "State:\tZ" not in status.read_text()
    return exists(pid)


@pytest.mark.slow
def test_a_stubborn_job_is_ended(tmp_path):
    """A signal to the launcher alone: jobs are told, then made, to stop."""
    ready = tmp_path / "ready"
    code = f"import time, pathlib; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 30
        while not ready.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        stop([process])
        assert process.returncode in (-signal.SIGTERM, 130, 1) or os.name == "nt"


def test_the_jobs_get_the_same_config_files(monkeypatch):
    arguments = ["train.py", "-m", "--config-name=mine", "x=1", "-cd", "my conf", "--config-path", "p"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert config_arguments() == ["--config-name=mine", "-cd", "my conf", "--config-path", "p"]


@pytest.mark.parametrize("path", ["plain", "with space", "it's", "a=b,c", "C:\\Users\\me", "오로라/[1]{2}"])
def test_a_path_survives_hydras_command_line(path):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides([f"hydra.run.dir={quoted(path)}"])
    assert override.value() == path.replace("\\", "/")
