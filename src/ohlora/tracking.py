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
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.processes import is_main

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


def csv_logger(save_dir: str) -> CSVLogger:
    """Numbers as `csv/metrics.csv`, config as `csv/hparams.yaml` in `save_dir`.

    A run that goes on in its folder writes `csv_2` and so on: Lightning would delete what was there.
    """
    names = chain(["csv"], map("csv_{}".format, count(2)))
    free = next(name for name in names if not (Path(save_dir) / name).exists())
    return CSVLogger(save_dir, name="", version=free)


def tensorboard_logger(save_dir: str) -> TensorBoardLogger:
    try:
        return TensorBoardLogger(save_dir, name="", version="tensorboard")
    except ModuleNotFoundError:
        raise OhloraError("logger=tensorboard needs its package: pip install 'ohlora[tensorboard]'") from None


def wandb_logger(
    save_dir: str, project: str, group: str | None, job_type: str, name: str, mode: str
) -> WandbLogger:
    """A W&B run; `mode` is auto | online | offline, auto being online where W&B can be reached."""
    try:
        import wandb
    except ModuleNotFoundError:
        raise OhloraError("logger=wandb needs its package: pip install 'ohlora[wandb]'") from None
    os.environ.setdefault("WANDB_SILENT", "true")  # one line of our own is enough
    if not is_main():
        mode = "offline"  # Lightning gives it a logger that does nothing
    elif mode == "auto":
        why = wandb_out_of_reach(wandb)
        mode = "offline" if why else "online"
        if why:
            print(
                f"ohlora: W&B is offline ({why}); later: wandb sync {save_dir}/wandb/offline-*",
                file=sys.stderr,
            )
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    return WandbLogger(
        save_dir=save_dir,
        project=project,
        group=group,
        job_type=job_type,
        name=name,
        offline=mode == "offline",
        # Said again in the settings: `offline` alone still asks for an API key.
        settings=wandb.Settings(mode="offline" if mode == "offline" else "online", silent=True),
    )


def wandb_out_of_reach(wandb: Any) -> str | None:
    """Why an online W&B run would fail now, or None."""
    url = urlparse(os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url)
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        with socket.create_connection((url.hostname or "", port), timeout=3):
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
