"""Where a run's numbers and pictures go: CSV files, TensorBoard or W&B, behind Lightning's Logger.

No network never stops a run: W&B goes offline by itself, and every run is finished, with its exit code.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.loggers import CsvLogs, TensorboardLogs, WandbLogs
from ohlora.processes import is_main
from ohlora.text import printable

WANDB_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")  # words that W&B knows
SETTINGS = "settings.json"  # of a run that can be resumed

# Lightning's own handlers print every line a second time under Hydra, and its tips are advertisements.
for _name in ("lightning", "lightning.pytorch", "lightning.fabric"):
    logging.getLogger(_name).handlers.clear()
logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
    lambda record: not any(word in record.getMessage() for word in ("Tip:", "litlogger", "litmodels"))
)

# Lightning 2.6 still asks torch the old way; nothing a user could do about it.
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")
# Of course it is: a resumed run goes on in its own folder.
warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")


def csv_logger(logs: CsvLogs) -> CSVLogger:
    """Numbers as `csv/metrics.csv`, config as `csv/hparams.yaml`.

    A run that goes on in its folder writes `csv_2` and so on: Lightning would delete what was there.
    """
    names = chain(["csv"], map("csv_{}".format, count(2)))
    free = next(name for name in names if not (Path(logs.save_dir) / name).exists())
    return CSVLogger(logs.save_dir, name="", version=free)


def tensorboard_logger(logs: TensorboardLogs) -> TensorBoardLogger:
    try:
        return TensorBoardLogger(logs.save_dir, name="", version="tensorboard")
    except ModuleNotFoundError:
        raise OhloraError("logger=tensorboard needs its package: pip install 'ohlora[tensorboard]'") from None


def wandb_logger(logs: WandbLogs) -> WandbLogger:
    """A W&B run, offline where W&B is out of reach: no network never stops a run."""
    try:
        import wandb
    except ModuleNotFoundError:
        raise OhloraError("logger=wandb needs its package: pip install 'ohlora[wandb]'") from None
    os.environ.setdefault("WANDB_SILENT", "true")  # one line of our own is enough
    mode = wandb_mode(wandb, logs) if is_main() else "offline"  # the others get a logger that does nothing
    Path(logs.save_dir).mkdir(parents=True, exist_ok=True)
    return WandbLogger(
        save_dir=logs.save_dir,
        project=logs.project,
        group=logs.group,
        job_type=logs.job_type,
        name=logs.name,
        # Not Lightning's `offline`: it asks for an API key, and sets WANDB_MODE for all later jobs.
        settings=wandb.Settings(mode=mode, silent=True),
    )


def wandb_mode(wandb: Any, logs: WandbLogs) -> Literal["online", "offline", "disabled"]:
    """What the config says; `auto` is the user's word to W&B itself, else online where it can be reached."""
    if address := without_wrong_address():
        say_offline(f"WANDB_BASE_URL={printable(address)} is not an address like http://localhost:8080", logs)
        return "offline"
    mode, standing = logs.mode, standing_mode(wandb)
    if mode == "auto":
        said = os.environ.get("WANDB_MODE")
        if said and said not in WANDB_MODES:
            raise OhloraError(f"WANDB_MODE={printable(said)} is not one of {' | '.join(WANDB_MODES)}")
        word = said or standing
        mode = {"offline": "offline", "dryrun": "offline", "disabled": "disabled"}.get(word, "auto")
    if mode == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        return "disabled"
    if mode == "online" or mode == "offline":
        return mode
    why = wandb_out_of_reach(wandb)
    if why is None:
        return "online"
    say_offline(why, logs)
    return "offline"


@cache
def standing_mode(wandb: Any) -> str:
    """The mode of W&B's own settings (`wandb offline`), before a run of this process has changed it."""
    said = os.environ.pop("WANDB_MODE", None)
    try:
        return str(wandb.setup().settings.mode)
    finally:
        if said is not None:
            os.environ["WANDB_MODE"] = said


def say_offline(why: str, logs: WandbLogs) -> None:
    print(
        f"ohlora: W&B is offline ({why}); later: wandb sync {logs.save_dir}/wandb/offline-*", file=sys.stderr
    )


def without_wrong_address() -> str | None:
    """WANDB_BASE_URL where it is no address, having taken it away: W&B would not even start offline."""
    address = os.environ.get("WANDB_BASE_URL")
    if not address or web_address(address):
        return None
    del os.environ["WANDB_BASE_URL"]
    os.environ["WANDB_MODE"] = "offline"  # a later job of this process shall not go to wandb.ai instead
    return address


def web_address(address: str) -> tuple[str, int] | None:
    """Host and port of an http or https address; None where it is none."""
    try:
        url = urlparse(address)
        if url.scheme in ("http", "https") and url.hostname:
            return url.hostname, url.port or (443 if url.scheme == "https" else 80)
    except ValueError:  # [::1, or a port beyond 65535
        pass
    return None


def wandb_out_of_reach(wandb: Any) -> str | None:
    """Why an online W&B run would fail now, or None."""
    place = web_address(os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url)
    try:
        with socket.create_connection(place or ("", 0), timeout=3):
            pass
    except OSError:
        return "no network"
    return None if wandb.login(prompt=False) else "not logged in"


@contextmanager
def tracked(logger: Logger, config: Mapping[str, Any]) -> Iterator[Logger]:
    """Log the config first and close the run at the end, as failed if the body raised."""
    try:
        logger.log_hyperparams(dict(config))
        yield logger
    except BaseException:
        finish(logger, exit_code=1)
        raise
    finish(logger, exit_code=0)


def finish(logger: Logger, exit_code: int) -> None:
    """Flush and close; the next run in this process starts a new one."""
    logger.save()
    logger.finalize("success" if exit_code == 0 else "failed")
    if isinstance(logger, WandbLogger):
        import wandb

        wandb.finish(exit_code=exit_code)


def log_picture(logger: Logger, key: str, path: Path) -> None:
    """Show a PNG under `key`; CSV runs have the file itself in their folder."""
    if isinstance(logger, WandbLogger):
        logger.log_image(key, [str(path)])
    elif isinstance(logger, TensorBoardLogger):
        import numpy as np
        from PIL import Image

        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        logger.experiment.add_image(key, pixels, dataformats="HWC")


def log_table(logger: Logger, key: str, table: pd.DataFrame) -> None:
    """Show a table under `key`; CSV runs get `<key>.csv`."""
    if isinstance(logger, WandbLogger):
        logger.log_table(key, dataframe=table)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text(key, "```\n" + table.to_string(index=False) + "\n```")
    elif isinstance(logger, CSVLogger):
        table.to_csv(Path(logger.log_dir) / f"{key}.csv", index=False)


def remember_settings(folder: Path, settings: Mapping[str, Any], resume: bool) -> None:
    """Write down what a run that can be resumed was started with.

    Raises OhloraError where `folder`, to be resumed, is no run's or was started with something else.
    """
    path = folder / SETTINGS
    told = json.loads(json.dumps(settings))
    if not resume:
        write_json(path, told)
        return
    if not path.is_file():
        raise OhloraError(f"resume={folder}: no {SETTINGS} there, so no run to go on with")
    before = json.loads(path.read_text(encoding="utf-8"))
    if changed := sorted(key for key in {*told, *before} if told.get(key) != before.get(key)):
        shown = "; ".join(f"{key} was {before.get(key)}, now {told.get(key)}" for key in changed)
        raise OhloraError(f"resume={folder} was started with other settings: {shown}")
