"""What both doors share: build the job a config names, run it, and say in one line what went wrong.

Only Hydra is imported here, so `--cfg job`, `--help`, tab completion and a wrong key answer at once.
"""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from ohlora.build import build
from ohlora.composition import added_settings, as_hydra_reads, checked_configs
from ohlora.conf_files import CONF, known_keys, unknown_setting
from ohlora.durable import owned, write_text
from ohlora.errors import OhloraError, nearest
from ohlora.positional import WORDS, as_settings
from ohlora.signals import INTERRUPTED, end_at_once, end_told, end_with_parent, mean_ctrl_c
from ohlora.streams import make_steady
from ohlora.text import printable

# Parts of the config that say how things are built or where they lie, not what is being tried.
NOT_SETTINGS = {"job", "paths", "logger", "callbacks", "axes", "space"} | {
    "renderer",
    "population",
    "person",
    "moods",
    "expressions",
    "ombre",
}
USER_MISTAKE = 2
# A battle draws her with a renderer of her own, beside which that of the training faces finds no place.
NO_CLASSES = "dataset=faces has no classes to tell apart: it is for python train.py model=face_*"
CANNOT_USE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}

# New objects before garbage is looked for: importing leaves none, and takes a fifth longer with Python's own.
COLLECTING, IMPORTING = gc.get_threshold(), 100_000


def run_job(cfg: DictConfig) -> Any:
    """Build `cfg.job`, run it, under its logger if it has one, and return what it returns."""
    with one_line_errors() as under_way:
        running = HydraConfig.get()
        devices = cfg.get("trainer", {}).get("devices", 1)
        if running.mode == RunMode.MULTIRUN and devices != 1:
            raise OhloraError(
                f"trainer.devices={devices} in a multirun inside one process would train on a part of the"
                " data; leave out hydra/launcher, so that every job gets a process of its own (fresh)"
            )
        # The job is built whole before anything runs: a wrong value is found before any training.
        files = [group for group in running.runtime.choices if group not in cfg]
        job = under_way.job = build(cfg.job, added_settings(running.overrides.task, files))
        # Nothing to log and one process: done before Lightning were imported.
        if getattr(job, "logger", None) is None:
            with owned(Path(running.runtime.output_dir)):
                value = work(job)
            leave_answer(value)
            return value
        from ohlora.processes import is_main, say_who_died

        if not is_main():
            return assist(job)
        from ohlora.assets import command_line
        from ohlora.provenance import current_commit
        from ohlora.tracking import tracked

        config: Any = OmegaConf.to_container(cfg, resolve=True)
        picked = {
            name: choice for name, choice in running.runtime.choices.items() if not name.startswith("hydra/")
        }
        settings = {name: value for name, value in config.items() if name not in NOT_SETTINGS}
        folder = Path(running.runtime.output_dir)
        about = {"choices": picked, "command": command_line(), "commit": current_commit(), **settings}
        with tracked(job.logger, about), owned(folder), say_who_died():
            value = work(job)
        leave_answer(value)
        return value


def work(job: Any) -> Any:
    run = job.run  # imports what does the work
    if gc.get_threshold() != COLLECTING:
        gc.freeze()  # what was imported stays: neither collections nor the exit go through it
        gc.set_threshold(*COLLECTING)
    return run()


def assist(job: Any) -> None:
    """Run a job as one of the further processes of `trainer=ddp`: the first one speaks and writes."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]:
        root.removeHandler(handler)
    from ohlora.processes import say_who_died

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), say_who_died():
        work(job)


def leave_answer(value: float | None) -> None:
    """Tell the launcher that started this process what came of its job, and that it is finished.

    Written here and not by the launcher, which may be on another machine, or dead by now.
    """
    job, place = os.environ.get("OHLORA_JOB"), os.environ.get("OHLORA_ANSWER")
    if job and place:
        write_text(Path(place), json.dumps({"job": job, "answer": value}) + "\n")


def one_line_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as a user reads it: what it says, not which line of whose code said it."""
    print(f"ohlora: {printable(' '.join(str(message).split()), 500)}", file=file or sys.stderr)


def enter(main: Callable[[], Any], words: Sequence[str] = ()) -> None:
    """Run a Hydra main; print a user's mistake as one line and leave with exit code 2.

    `words`: the settings that a verb's plain words are (ohlora.positional).
    """
    # Hydra's own handler prints an error its way and exits 1; with this set it raises instead.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # Threads of GNU's OpenMP, and so of torch, wait for each other by spinning 300,000 times. Beside three
    # busy programs a training of two threads took 14.7 s, of one 4.1 s, with this 6.5 s; alone 1.5 s for 1.4.
    # It is read as torch is imported, and handed to the processes that are started.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    mean_ctrl_c()
    gc.set_threshold(IMPORTING, *COLLECTING[1:])
    end_with_parent()
    warnings.showwarning = one_line_warning
    make_steady()
    with one_line_errors(), checked_configs(explain):
        if words:
            sys.argv[1:] = as_settings(sys.argv[1:], words, known_keys)
        check_flags(sys.argv[1:])
        sys.argv[1:] = map(as_hydra_reads, sys.argv[1:])
        main()


def open_door(config_name: str) -> None:
    """Enter by conf/<config_name>.yaml: a verb of `python -m ohlora`."""
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(run_job)
    enter(run, WORDS.get(config_name, ()))


def named_job(config_name: str, settings: Iterable[str]) -> Any:
    """The job of conf/<config_name>.yaml with settings as the command line takes them, for use in Python."""
    with own_hydra(), checked_configs(explain):
        try:
            cfg = hydra.compose(config_name, [*map(as_hydra_reads, settings)])
        except (HydraException, OmegaConfBaseException) as error:
            raise OhloraError(explain(error) or str(error)) from None
        return build(cfg.job)


@contextmanager
def own_hydra() -> Iterator[None]:
    """Hydra over conf/; that of a program which calls this one is put aside meanwhile."""
    theirs, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = theirs


def check_flags(arguments: Sequence[str]) -> None:
    """Raise OhloraError for a flag that Hydra does not know: it would print all it knows and leave."""
    parser = get_args_parser()
    flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]

    def refuse(message: str) -> NoReturn:
        raise OhloraError(f"{message} (flags: {' | '.join(flags)})")

    parser.error = refuse  # type: ignore[method-assign]
    if odd := [one for one in parser.parse_known_args(arguments)[1] if one.startswith("-")]:
        refuse(f"{printable(', '.join(odd))} is not a flag")


@dataclass
class UnderWay:
    """What a command does while it runs: a job once it is built."""

    job: Any = None

    def kept(self) -> str:
        """What is there if it is stopped now, as the job says it."""
        return self.job.kept() if hasattr(self.job, "kept") else "what was finished is kept"


@contextmanager
def one_line_errors() -> Iterator[UnderWay]:
    """Turn a mistake the user can mend into one line and exit code 2; leave bugs their traceback."""
    under_way = UnderWay()
    try:
        yield under_way
    except (KeyboardInterrupt, SystemExit) as end:
        # Lightning answers Ctrl-C with exit(1).
        if isinstance(end, SystemExit) and not (
            end.code == 1 and isinstance(end.__context__, KeyboardInterrupt)
        ):
            raise
        if (exit_code := end_told()) is not None:
            sys.exit(exit_code)
        end_at_once()
        with suppress(OSError):  # the terminal may be gone
            print(f"\nohlora: stopped; {under_way.kept()}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (
        OhloraError,
        HydraException,
        OmegaConfBaseException,
        YAMLError,
        OSError,
        UnicodeDecodeError,
    ) as error:
        message = explain(error)
        if message is None:
            raise
        print(f"ohlora: {printable(message, 5000)}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", USER_MISTAKE))


def explain(error: BaseException) -> str | None:
    """One line for a mistake the user can mend, None for anything else."""
    seen: BaseException | None = error
    while seen is not None:  # instantiate and Hydra wrap what a constructor raised
        if isinstance(seen, OhloraError):
            return str(seen)
        if isinstance(seen, OSError) and seen.errno in CANNOT_USE:
            place = seen.filename or "the output folder"
            return f"cannot use {place}: {seen.strerror}{elsewhere(seen)}"
        if isinstance(seen, FileNotFoundError) and refused_folder(seen):
            return f"cannot make {seen.filename}{elsewhere(seen)}"
        if isinstance(seen, MissingConfigException) and seen.missing_cfg_file:
            group, _, name = seen.missing_cfg_file.rpartition("/")
            options = sorted(seen.options or [path.stem for path in (CONF / group).glob("*.yaml")])
            what = f"{group}={name}" if group else f"--config-name={name}"
            return f"{what} is not one of {' | '.join(options)}{nearest(name, options)}"
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, UnicodeDecodeError):
        return f"{being_read(error)} is not UTF-8 text; save it as UTF-8"
    if isinstance(error, OSError):
        if "Invalid loaded object type" not in str(error):  # OmegaConf's word for a file of one value
            return None
        return f"{being_read(error)} holds one value, not settings (name: value)"
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark):
        return f"{mark.name}, line {mark.line + 1}: not YAML ({error.problem})"
    text = str(error)
    if "faces@" in text and "more than once in the final defaults list" in text:
        return NO_CLASSES
    if found := re.search(r"Could not override '([\w./@]+)'", text):
        return unknown_setting(found[1])
    if found := re.search(r"Key '([\w.]+)' is not in struct", text):
        path = re.search(r"full_key: ([\w.]+)", text)
        return unknown_setting(path[1] if path else found[1])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[:3]) if lines else type(error).__name__


def elsewhere(error: OSError) -> str:
    """Which setting puts results elsewhere, where the place that cannot be used is one of results."""
    if error.filename is not None and not is_of_results(Path(os.fsdecode(error.filename))):
        return ""
    return " (results elsewhere: paths.output_dir=DIR)"


def is_of_results(place: Path) -> bool:
    """Whether a place is below the output folder of the command that runs, or on the way to it."""
    if not HydraConfig.initialized():  # no job runs yet: what Hydra has just tried to make is its folder
        return True
    running: Any = HydraConfig.get()  # below the config of the whole command
    folder = OmegaConf.select(running._get_root(), "paths.output_dir")
    if folder is None:
        return False
    place, folder = place.absolute(), Path(str(folder)).absolute()
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def refused_folder(error: FileNotFoundError) -> bool:
    """Whether a folder was to be made where the system has none made, as in /proc."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].name in ("mkdir", "makedirs")


def being_read(error: BaseException) -> str:
    """The file that was open where `error` was raised: neither decoding nor OmegaConf names it."""
    name, trace = "a config file", error.__traceback__
    while trace is not None:
        opened = trace.tb_frame.f_locals.get("f")
        name = printable(getattr(opened, "name", name))
        trace = trace.tb_next
    return name
