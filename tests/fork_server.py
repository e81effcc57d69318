"""A fork server (as multiprocessing has one) that stands in for the interpreter of commands under test.

A new interpreter takes ten seconds of a core to import torch, Lightning and what they import; a fork of one
that has done so takes none, and runs train.py, battle.py or a verb as that would, exit included. One server
serves all pytest workers. What they start in place of `sys.executable` is a small script: it hands its
arguments, folder, environment and open files to the server, passes on the signals it gets, and ends as the
fork ended. The fork's `sys.executable` is that script too, so the processes it starts are forks again.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

PRELOADED = (
    "lightning.pytorch",
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "sklearn.ensemble",
    "torch.distributed.run",
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
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# What stands in for the interpreter; -I and -S: nothing but the standard library, quickly. Options and a
# PYTHONPATH of their own are things that only a new interpreter heeds; submitit names files by process id,
# and a fork does not have that of whom it stands for.
CLIENT = """\
import array, json, os, signal, socket, sys

words = sys.argv[1:]
if os.environ.get("PYTHONPATH") != {pythonpath!r} or not words or not (
    words[0] in ("-m", "-c") or words[0].endswith(".py")
) or "".join(words[1:2]).startswith("submitit"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
signal.pthread_sigmask(signal.SIG_BLOCK, {forwarded!r})
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    ignored = [number for number in {forwarded!r} if signal.getsignal(number) == signal.SIG_IGN]
    asked = json.dumps(dict(words=words, cwd=os.getcwd(), env=dict(os.environ), ignored=ignored)).encode()
    files = array.array("i", [0, 1, 2])
    server.sendmsg([len(asked).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    server.sendall(asked)
    for number in {forwarded!r}:
        if number not in ignored:
            signal.signal(number, lambda number, frame: server.sendall(bytes([number])))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {forwarded!r})
    code = int(server.recv(16) or b"70")
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def join(folder: Path) -> socket.socket:
    """A connection to the server whose files lie in `folder`, started by whoever comes first.

    The server ends with the last open connection. `folder / "python"` is what to start.
    """
    end = time.monotonic() + 60
    while True:
        with suppress(FileExistsError):
            folder.mkdir()
            write_client(folder)
            subprocess.run([sys.executable, __file__, str(folder)], check=True)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(folder / "socket"))
            return connection
        except (FileNotFoundError, ConnectionRefusedError):  # it is about to be there
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def write_client(folder: Path) -> None:
    """The script that stands in for the interpreter."""
    client, python = folder / "client.py", folder / "python"
    facts = {
        "address": str(folder / "socket"),
        "forwarded": tuple(map(int, FORWARDED)),
        "python": sys.executable,
        "pythonpath": os.environ.get("PYTHONPATH"),
    }
    client.write_text(CLIENT.format(**facts), encoding="utf-8")
    # A shell between: the first line of a script holds no long path and none with a space.
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{client}" "$@"\n', encoding="utf-8")
    python.chmod(0o700)


class Server:
    """Forks a child for each connection that asks for one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / "socket"))
        self.listening.listen(64)
        self.woken, self.waking = socket.socketpair()
        self.waking.setblocking(False)

    def serve(self) -> tuple[dict, list[int]]:
        """Return in each child what it was asked to be, and its standard files."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.waking.fileno())
        for one in (self.listening, self.woken):
            self.selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if one.fileno() < 0:  # closed since
                    continue
                if one is self.woken:
                    self.woken.recv(4096)
                    self.reap()
                elif one is self.listening:
                    connection, _ = self.listening.accept()
                    self.selector.register(connection, selectors.EVENT_READ)
                elif one in self.children.values():
                    self.pass_on(one)
                elif asked := self.read(one):
                    return asked

    def read(self, connection: socket.socket) -> tuple[dict, list[int]] | None:
        """Fork for what a connection asks; nothing but its end comes from a pytest worker."""
        length, files, _, _ = socket.recv_fds(connection, 4, 3)
        if not length:
            self.forget(connection)
            return None
        text = connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in [self.waking, *(key.fileobj for key in self.selector.get_map().values())]:
                one.close()  # type: ignore[union-attr]
            self.selector.close()
            return json.loads(text), files
        for file in files:
            os.close(file)
        self.children[pid] = connection
        return None

    def pass_on(self, connection: socket.socket) -> None:
        """A signal that the stand-in got, or its end: killed itself, it takes its fork along."""
        (pid,) = (pid for pid, one in self.children.items() if one is connection)
        numbers = connection.recv(16) or bytes([signal.SIGKILL])
        for number in numbers:
            os.kill(pid, number)
        if signal.SIGKILL in numbers:
            self.selector.unregister(connection)

    def reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            connection = self.children.pop(pid)
            with suppress(OSError):  # it may be gone
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            self.forget(connection)

    def forget(self, connection: socket.socket) -> None:
        """Close a connection; with the last pytest worker's, end what a failed test left, and itself."""
        open_ones = {key.fileobj for key in self.selector.get_map().values()}
        if connection in open_ones:
            self.selector.unregister(connection)
        connection.close()
        if not open_ones - {connection, self.listening, self.woken, *self.children.values()}:
            for pid in self.children:
                os.kill(pid, signal.SIGKILL)
            if not self.children:
                shutil.rmtree(self.folder)
                os._exit(0)


def own_media_folder() -> None:
    """W&B makes a folder for tables and pictures at its import, which every fork that ends would delete."""
    if (made := sys.modules.get("wandb.sdk.data_types._private")) is not None:
        made.MEDIA_TMP._finalizer.detach()
        made.MEDIA_TMP.name = tempfile.mkdtemp("wandb-media")
        made.MEDIA_TMP._finalizer = weakref.finalize(made.MEDIA_TMP, shutil.rmtree, made.MEDIA_TMP.name, True)


def become(
    python: Path, words: list[str], cwd: str, env: dict[str, str], ignored: list[int], files: list[int]
) -> None:
    """Be the process that [python, *words] would be."""
    from lightning.fabric.utilities.rank_zero import _get_rank, rank_zero_only

    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # TMPDIR is read again
    own_media_folder()
    os.chdir(cwd)
    for number in FORWARDED:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in ignored else default)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # Lightning asks the environment at its import which process of a group this is.
    rank_zero_only.rank = _get_rank() or 0
    sys.stdout.reconfigure(write_through=bool(env.get("PYTHONUNBUFFERED")))  # type: ignore[union-attr]
    sys.executable = str(python)
    sys.orig_argv = [sys.executable, *words]
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path[0] = cwd
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path[0] = ""
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(words[1], "<string>", "exec"), vars(sys.modules["__main__"]))
    else:
        sys.argv = words
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


def main() -> None:
    folder = Path(sys.argv[1])
    if os.fork():  # whoever started the server need not wait for it
        os._exit(0)
    os.setsid()  # Ctrl-C in a terminal reaches the forks by those who started them
    server = Server(folder)
    for module in PRELOADED:
        __import__(module)
    if all(map(find_spec, ("trl", "peft", "datasets", "accelerate"))):  # the extra `narrator`
        import ohlora.narrator.fine_tuning  # noqa: F401
    gc.freeze()  # a child that ends does not go through what it never touched
    asked, files = server.serve()
    try:
        become(folder / "python", files=files, **asked)
        code: object = 0
    except SystemExit as end:
        code = end.code or 0
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    # All that the end of an interpreter does but freeing each object, which copies the memory it lies in.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            stream.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    main()
