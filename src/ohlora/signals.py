"""How a process ends before its time: by Ctrl-C and what means the same, or because its parent is gone.

Standard library alone: the doors use it before anything heavy is imported.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import suppress

PARENT = "OHLORA_PARENT"  # process id: without that process this one has nobody to work for
INTERRUPTED = 130
LOOK_EVERY_S = 0.5
GRACE_S = 30.0  # to keep what is finished

_told: int | None = None  # the exit code of an end whose reason was told already


def mean_ctrl_c(over_others: bool = False) -> None:
    """Let SIGTERM and SIGHUP (the terminal was closed) end this process as Ctrl-C does.

    What is ignored stays so (nohup), and a handler of somebody else's unless `over_others`.
    """
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) in (signal.SIG_IGN, None):
            continue
        if over_others or signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def end_at_once() -> None:
    """Let a further Ctrl-C, or what means the same, end this process without a word: all is kept by now."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if (number := getattr(signal, name, None)) and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: os._exit(INTERRUPTED))


def end_told() -> int | None:
    """The exit code where a KeyboardInterrupt came from `interrupt`, which has said why."""
    return _told


def interrupt(reason: str, exit_code: int = INTERRUPTED, grace_s: float = GRACE_S) -> None:
    """Say why and end this process as Ctrl-C does, from another thread; by force after `grace_s`.

    A collective of torch.distributed that waits for a dead process listens to no signal.
    """
    global _told
    _told = exit_code
    with suppress(OSError):  # the terminal may be gone
        print(f"\nohlora: {reason}", file=sys.stderr, flush=True)
    if hasattr(signal, "pthread_kill"):  # wakes a main thread that sleeps
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main()
    time.sleep(grace_s)
    os._exit(exit_code)


def end_with_parent() -> None:
    """End this process when the one that its environment names is gone, however that ended."""
    named = os.environ.pop(PARENT, "")
    if named.isdigit():
        process_0 = int(os.environ.get("LOCAL_RANK", 0)) == 0  # the others have nothing to keep
        watch = threading.Thread(
            target=_outlive_no_parent, args=(int(named), GRACE_S if process_0 else 1.0), daemon=True
        )
        watch.start()


def _outlive_no_parent(pid: int, grace_s: float) -> None:
    if os.name == "nt":
        _wait_for_windows_process(pid)
    else:
        adopted_from = os.getppid()
        while os.getppid() == adopted_from and exists(pid):
            time.sleep(LOOK_EVERY_S)
    interrupt(
        f"the process that started this one ({pid}) is gone; what was finished is kept", grace_s=grace_s
    )


def exists(pid: int) -> bool:
    """Whether there is such a process on this (POSIX) machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _wait_for_windows_process(pid: int) -> None:
    import ctypes

    synchronize, for_ever = 0x00100000, 0xFFFFFFFF
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]  # of Windows alone
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    if handle := kernel.OpenProcess(synchronize, False, pid):
        kernel.WaitForSingleObject(handle, for_ever)
