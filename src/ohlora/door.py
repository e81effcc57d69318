"""What both doors share: build the job a config names, run it, and say in one line what went wrong.

Only Hydra is imported here, so `--cfg job`, `--help`, tab completion and a wrong key answer at once.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ohlora.errors import OhloraError, nearest

# Parts of the config that say how things are built or where they lie, not what is being tried.
NOT_SETTINGS = {"job", "paths", "logger", "callbacks", "axes", "space"}
CONF = Path(__file__).resolve().parents[2] / "conf"
USER_MISTAKE = 2
INTERRUPTED = 130

OmegaConf.register_new_resolver(
    "user_cache",
    lambda name="": str(Path(platformdirs.user_cache_dir("ohlora", appauthor=False)) / name),
    replace=True,
)


def run_job(cfg: DictConfig) -> Any:
    """Build `cfg.job`, run it under its logger and return what it returns."""
    with one_line_errors():
        hydra = HydraConfig.get()
        if hydra.mode == RunMode.MULTIRUN and cfg.get("trainer", {}).get("devices", 1) != 1:
            raise OhloraError(
                "a multirun inside one process cannot use several devices (it would train on a part of the data);"
                " leave out hydra/launcher, so that every job gets its own process (fresh)"
            )
        from hydra.utils import instantiate

        from ohlora.tracking import tracked

        # The job is built whole before anything runs: a wrong value is found before any training.
        job = instantiate(cfg.job, _convert_="all")
        config = OmegaConf.to_container(cfg, resolve=True)
        assert isinstance(config, dict)
        chosen = {name: choice for name, choice in hydra.runtime.choices.items() if not name.startswith("hydra/")}
        settings = {name: value for name, value in config.items() if name not in NOT_SETTINGS}
        with tracked(job.logger, {"choices": chosen, **settings}):
            value = job.run()
        if answer := os.environ.get("OHLORA_ANSWER"):  # set by the fresh launcher
            Path(answer).write_text(repr(float(value)))
        return value


def enter(main: Callable[[], Any]) -> None:
    """Run a Hydra main; print a user's mistake as one line and leave with exit code 2."""
    # Hydra's own handler prints an error its way and exits 1; with this set it raises instead.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with one_line_errors():
        main()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a mistake the user can mend into one line and exit code 2; leave bugs their traceback."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nohlora: stopped; what was finished is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (OhloraError, HydraException, OmegaConfBaseException, OSError) as error:
        message = explain(error)
        if message is None:
            raise
        print(f"ohlora: {message}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", USER_MISTAKE))


def explain(error: BaseException) -> str | None:
    """One line for a mistake the user can mend, None for anything else."""
    seen: BaseException | None = error
    while seen is not None:  # instantiate and Hydra wrap what a constructor raised
        if isinstance(seen, OhloraError):
            return str(seen)
        if isinstance(seen, PermissionError) or (isinstance(seen, OSError) and seen.errno in (28, 30)):
            return f"cannot write {seen.filename}: {seen.strerror} (another folder: paths.output_dir=DIR)"
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, OSError):
        return None
    text = str(error)
    if found := re.search(r"(?:Could not find|In '.*?': Could not find) '([\w/]+)/([\w.-]+)'", text):
        group, name = found.groups()
        options = choices(group)
        return f"{group}={name} is not one of {' | '.join(options)}{nearest(name, options)}"
    if found := re.search(r"Could not override '([\w./@]+)'", text):
        name = found[1]
        return f"{name} is not a setting{nearest(name, known_keys())}; --cfg job shows them all"
    if found := re.search(r"Key '([\w.]+)' is not in struct", text):
        name = found[1]
        path = re.search(r"full_key: ([\w.]+)", text)
        return f"{path[1] if path else name} is not a setting{nearest(name, known_keys())}; --cfg job shows them all"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[:3]) if lines else type(error).__name__


def choices(group: str) -> list[str]:
    """The options of a config group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml")) or ["nothing"]


def known_keys() -> set[str]:
    """Every key written in a config file, dotted from its file's root, and every group."""
    keys: set[str] = set()

    def walk(node: Any, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if isinstance(key, str) and key not in ("_target_", "defaults"):
                    keys.update((key, f"{prefix}{key}"))
                    walk(value, f"{prefix}{key}.")

    for path in CONF.rglob("*.yaml"):
        group = path.parent.relative_to(CONF).as_posix()
        content = OmegaConf.to_container(OmegaConf.load(path))
        walk(content, "" if "@package _global_" in path.read_text(encoding="utf-8") or group == "." else f"{group}.")
        keys.add(group)
    return {*keys, *(f"params.{key}" for key in OmegaConf.load(CONF / "axes" / "cnn.yaml"))} - {"."}
