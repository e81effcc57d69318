"""A fork server (as multiprocessing has one) for the commands that tests run.

A new interpreter takes ten seconds of a core to import torch, Lightning and what they import; a fork of one
that has done so takes none, and runs train.py, battle.py or a verb as that would, exit included. Lines of
JSON with the arguments of `become` come in, exit codes go out.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PRELOADED = (
    "lightning.pytorch",
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "sklearn.ensemble",
    "torchvision",
    "transformers.models.llama.modeling_llama",
    "ohlora.battle.play",
    "ohlora.door",
    "ohlora.face.acting.reaction",
    "ohlora.laboratory.training.train_vae",
    "ohlora.narrator.generation",
    "ohlora.predictor.fit",
    "ohlora.trials.training",
)


class ForkServer:
    """The pytest process's end: starts the server at the first command."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(
        self, words: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """What subprocess.run([sys.executable, *words], capture_output=True, text=True) would return.

        What is imported already has read its variables: OHLORA_TRUST or HF_HOME here would change nothing.
        """
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.process.stdin
        assert self.process.stdout
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            files = {"out": str(out), "err": str(err)}
            asked = {"words": words, "cwd": str(cwd), "env": env, "timeout": timeout, **files}
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            code, *said = int(answer), *(file.read_text(encoding="utf-8") for file in (out, err))
        done = subprocess.CompletedProcess([sys.executable, *words], code, *said)
        if code == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(done.args, timeout, *said)
        return done

    def stop(self) -> None:
        if self.process is not None:
            self.process.communicate()  # end of its input, and with it of the server
            self.process = None


def serve() -> dict:
    """Fork for each command; return it in the child."""
    for module in PRELOADED:
        __import__(module)
    gc.freeze()  # a child that ends does not go through what it never touched
    # sys.stdin and sys.stdout are the child's, untouched.
    commands, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in commands:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            return asked
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()
    raise SystemExit


def become(words: list[str], cwd: str, env: dict[str, str], timeout: float, out: str, err: str) -> None:
    """Be the process that [python, *words] would be."""
    os.environ.clear()
    os.environ.update(env)
    signal.alarm(int(timeout))
    os.chdir(cwd)
    for number, (file, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT), (err, os.O_WRONLY | os.O_CREAT)]
    ):
        os.dup2(os.open(file, flags), number)
    sys.orig_argv = [sys.executable, *words]
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path[0] = cwd
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    become(**serve())
