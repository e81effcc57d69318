"""SLURM by submitit's own executor for this machine, Ray by a cluster of this machine: real runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from ohlora.errors import OhloraError
from ohlora.records.journal import Journal
from ohlora.records.table import read_table

ROOT = Path(__file__).resolve().parents[2]
SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.cluster=local", "hydra.launcher.poll_s=0.2")
RAY = ("hydra/launcher=ray",)
needs_submitit = pytest.mark.skipif(not find_spec("submitit"), reason='pip install "ohlora[cluster]"')
needs_ray = pytest.mark.skipif(not find_spec("ray"), reason='pip install "ohlora[ray]"')
not_on_windows = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
EVERY = [
    pytest.param(SLURM, marks=needs_submitit, id="submitit"),
    pytest.param(RAY, marks=needs_ray, id="ray"),
]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", EVERY)
def test_jobs_are_the_same_fresh_processes(launcher, door, tmp_path):
    """One finishes, one fails; run again, only the failed one starts."""
    words = ("-m", "size=smoke", "trials=2", "hydra.sweep.dir=sweep", "dataset=digits,folder", *launcher)
    home = {"HOME": str(tmp_path), "SLURM_NTASKS": "1"}  # Ray leaves a token in the home directory
    first = door("train.py", *words, cwd=tmp_path, **home)
    assert first.returncode == 2, first.stderr
    assert "2 trials, 2 of them new" in first.stdout
    assert "dataset=folder needs dataset.root=DIR" in first.stderr
    assert (
        "1 of 2 jobs ended with an error: 1 (size=smoke trials=2 dataset=folder)"
        in first.stderr.splitlines()[-1]
    )
    left = json.loads((tmp_path / "sweep" / "0" / "finished.json").read_text())
    assert left["answer"] == pytest.approx(read_table([tmp_path / "outputs" / "table"]).val_f1.max())
    again = door("train.py", *words, cwd=tmp_path, **home)
    assert again.returncode == 2
    assert "ohlora: 1 of 2 jobs are finished and skipped" in again.stdout
    assert "of them new" not in again.stdout

    # The marker does not say who started the job.
    fresh = door("train.py", *words[: -len(launcher)], cwd=tmp_path)
    assert "ohlora: 1 of 2 jobs are finished and skipped" in fresh.stdout


@pytest.mark.slow
@not_on_windows
@pytest.mark.parametrize("launcher", EVERY)
def test_ctrl_c_ends_the_jobs_too(launcher, python, tmp_path):
    train = [python, str(ROOT / "train.py"), "-m", *launcher]
    command = [*train, "dataset=digits", "size=smoke", "trials=20000"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    table = tmp_path / "outputs" / "table"
    end = time.monotonic() + 150
    while not Journal(table).records():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)  # to the launcher alone: it must pass it on
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "ohlora: stopped; what was finished is kept" in errors
    kept = len(Journal(table).records())
    time.sleep(5)
    assert len(Journal(table).records()) == kept, "a job goes on without its launcher"


@needs_submitit
def test_a_job_whose_node_was_taken_is_queued_again():
    from submitit.helpers import DelayedSubmission

    from hydra_plugins.ohlora_launcher._jobs import Job
    from hydra_plugins.ohlora_launcher.submitit_slurm import Resumable

    job = Job(0, (), "folder", ".", ("true",), {}, "digest")
    again = Resumable().checkpoint(job)
    assert isinstance(again, DelayedSubmission)
    assert (again.function.__class__, again.args) == (Resumable, (job,))


@needs_submitit
def test_bad_settings_of_submitit_are_named_together():
    from hydra_plugins.ohlora_launcher.submitit_slurm import SubmititLauncher

    with pytest.raises(OhloraError) as caught:
        SubmititLauncher(
            cluster="pbs",
            n_jobs=0,
            gpus_per_job=-1,
            cpus_per_job=0,
            memory_gb=0,
            timeout_min=1.5,
            partition=None,
            setup=[],
            slurm={},
            poll_s=0,
        )
    for name in ("cluster", "n_jobs", "gpus_per_job", "cpus_per_job", "memory_gb", "timeout_min", "poll_s"):
        assert f"hydra.launcher.{name}=" in str(caught.value)


def test_bad_settings_of_ray_are_named_together():
    from hydra_plugins.ohlora_launcher.ray import RayLauncher

    with pytest.raises(OhloraError) as caught:
        RayLauncher(address=None, n_jobs=0, cpus_per_job=0, gpus_per_job=-1, retries=-1)
    for name in ("n_jobs", "cpus_per_job", "gpus_per_job", "retries"):
        assert f"hydra.launcher.{name}=" in str(caught.value)


@pytest.mark.slow
@needs_ray
def test_what_a_ray_cluster_does_not_have_is_refused(door, tmp_path):
    words = ("-m", *RAY, "dataset=digits", "hydra.launcher.gpus_per_job=64")
    done = door("train.py", *words, cwd=tmp_path, HOME=str(tmp_path))
    assert done.returncode == 2
    assert "hydra.launcher.gpus_per_job=64, but the whole cluster has" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("launcher", "extra"), [("submitit_slurm", "cluster"), ("ray", "ray")])
def test_a_missing_package_is_one_line(launcher, extra, tmp_path):
    """A program that finds no such package, as where the extra was never installed."""
    package = launcher.split("_")[0]
    program = f"import sys; sys.modules[{package!r}] = None; sys.argv = {[str(ROOT / 'train.py'), '-m']!r}"
    program += (
        f" + ['hydra/launcher={launcher}']; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    remedy = f'ohlora: hydra/launcher={launcher} needs its package: pip install "ohlora[{extra}]"'
    assert done.stderr.splitlines() == [remedy]
