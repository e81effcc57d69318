"""Where a run's numbers and pictures go: CSV files, TensorBoard or W&B, behind Lightning's Logger.

A missing network never stops a run: W&B goes offline by itself, and every run is finished, with its exit
code. What a run was made from and what it made stands in its config, as digests, and in `lineage.json` in its
folder.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from http.client import HTTPException
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import urlopen
from weakref import WeakSet

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from PIL import Image

from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.lineage import LINEAGE, Asset, Lineage, digest, recorded
from ohlora.loggers import CsvLogs, TensorboardLogs, WandbLogs
from ohlora.processes import is_main
from ohlora.text import printable

WANDB_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")  # words that W&B knows
SETTINGS = "settings.json"  # of a run that can be resumed
# Most seconds that a lost network may cost: until somebody answers, at the start of a run, and at its end.
ANSWER_S, INIT_S, FINISH_S = 3, 15, 60
LOST: WeakSet[WandbLogger] = WeakSet()  # whose network went while they ran
WRONG_ADDRESS: list[str] = []  # the one that was last taken out of the environment
MOST_ROWS = 10_000  # of a table in W&B, which shows no more

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
    return TensorBoardLogger(logs.save_dir, name="", version="tensorboard")


def wandb_logger(logs: WandbLogs) -> WandbLogger:
    """A W&B run, offline where W&B is out of reach: a missing network never stops a run."""
    import wandb

    os.environ.setdefault("WANDB_SILENT", "true")  # one line of our own is enough
    Path(logs.save_dir).mkdir(parents=True, exist_ok=True)
    if not is_main():  # gets a logger that does nothing
        return WandbLogger(save_dir=logs.save_dir, project=logs.project)
    run = wandb_run(wandb, logs)
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return WandbLogger(save_dir=logs.save_dir, project=logs.project, experiment=run)


def wandb_run(wandb: Any, logs: WandbLogs) -> Any:
    """A new run of this process; where W&B does not answer in time, an offline one."""

    def begin(mode: str) -> Any:
        return wandb.init(
            dir=logs.save_dir,
            project=logs.project,
            group=logs.group,
            job_type=logs.job_type,
            name=logs.name or " ".join(filter(None, (logs.job_type, logs.dataset))),
            tags=list(dict.fromkeys(filter(None, (logs.job_type, logs.dataset, logs.size, *logs.tags)))),
            # Not Lightning's `offline`: it asks for an API key, and sets WANDB_MODE for all later jobs.
            settings=wandb.Settings(
                mode=mode, silent=True, init_timeout=INIT_S, finish_timeout=FINISH_S, reinit="finish_previous"
            ),
        )

    mode = wandb_mode(wandb, logs)
    try:
        return begin(mode)
    except wandb.Error as error:
        if mode != "online":
            raise
        say_offline(f"no answer: {printable(' '.join(str(error).split()), 100)}", logs)
        return begin("offline")


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
    if mode == "offline":
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
    """WANDB_BASE_URL where it is no address, having taken it away: W&B would not even start offline.

    It counts until there is another: later runs of this process shall not go to wandb.ai instead.
    """
    address = os.environ.get("WANDB_BASE_URL") or next(iter(WRONG_ADDRESS), None)
    if not address or is_web_address(address):
        return None
    WRONG_ADDRESS[:] = [address]
    os.environ.pop("WANDB_BASE_URL", None)
    return address


def is_web_address(address: str) -> bool:
    """Whether it is an http or https address."""
    try:
        url = urlparse(address)
        return url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 80) > 0
    except ValueError:  # [::1, or a port beyond 65535
        return False


def wandb_out_of_reach(wandb: Any) -> str | None:
    """Why an online W&B run would fail now, or None."""
    if not answers(os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url):
        return "no network"
    try:
        return None if wandb.login(prompt=False) else "not logged in"
    except wandb.Error as error:  # a key that is refused, a portal that answers in W&B's place
        return printable(" ".join(str(error).split()), 100)


def answers(address: str) -> bool:
    """Whether somebody answers HTTP there, through a proxy where one is set, within a few seconds."""
    try:
        with urlopen(address, timeout=ANSWER_S):
            return True
    except HTTPError as error:
        return error.code < 500
    except (OSError, HTTPException, ValueError):
        return False


@contextmanager
def tracked(logger: Logger, config: Mapping[str, Any], known: Lineage | None = None) -> Iterator[Logger]:
    """Log the config first and close the run at the end, as failed if the body raised.

    What the body has read and made is kept with the run, and what it made becomes W&B artifacts; `known`
    is what was read for it before.
    """
    with recorded(known) as lineage:
        try:
            logger.log_hyperparams(dict(config))
            yield logger
            leave_lineage(logger, lineage)
            log_artifacts(logger, lineage)
        except BaseException:
            finish(logger, exit_code=1)
            raise
    finish(logger, exit_code=0)


def leave_lineage(logger: Logger, lineage: Lineage) -> None:
    """Digests of the run's inputs and outputs, in its folder and in its config."""
    content = lineage.as_json()
    if not any(content.values()) or logger.save_dir is None:
        return
    write_json(Path(logger.save_dir) / LINEAGE, content)
    if isinstance(logger, WandbLogger):
        logger.experiment.config.update(content)


def log_artifacts(logger: Logger, lineage: Lineage) -> None:
    """What the run made, as W&B artifacts that are found by `metadata.sha256` again.

    A table that another process has gone on with since is left to that one's run.
    """
    if isinstance(logger, WandbLogger):
        for asset in lineage.outputs:
            spared(logger, asset.name, partial(log_artifact, logger, asset))


def log_artifact(logger: WandbLogger, asset: Asset) -> None:
    import wandb

    if digest(asset.files[0]) != asset.sha256:
        return
    run: Any = logger.experiment
    artifact = wandb.Artifact(asset.name, asset.kind, " ".join(run.tags or ()), asset.as_json())
    folders = [path for path in asset.files if path.is_dir()]
    for folder in folders:
        artifact.add_dir(str(folder))
    for path in asset.files:
        if path not in folders and path.parent not in folders:
            artifact.add_file(str(path))
    run.log_artifact(artifact)


def spared(logger: WandbLogger, what: str, log: Callable[[], object]) -> None:
    """Log, and let no error of W&B's or of a full disk end the run: what is not kept is told in a line.

    Where the network went after the run had begun, every table and artifact asks for it and waits in vain for
    some 20 s; after the first of them the others are left out.
    """
    from wandb.errors import CommError, Error

    if logger in LOST:
        return
    try:
        log()
    except (OSError, ValueError, Error) as error:
        if isinstance(error, CommError):
            LOST.add(logger)
        print(f"ohlora: W&B does not keep {what}: {printable(error, 200)}", file=sys.stderr)


def finish(logger: Logger, exit_code: int) -> None:
    """Flush and close; the next run in this process starts a new one."""
    logger.save()
    logger.finalize("success" if exit_code == 0 else "failed")
    if isinstance(logger, WandbLogger):
        logger.experiment.finish(exit_code=exit_code)


def log_picture(logger: Logger, key: str, path: Path) -> None:
    """Show a PNG under `key`; CSV runs have the file itself in their folder."""
    if isinstance(logger, WandbLogger):
        spared(logger, key, partial(logger.log_image, key, [str(path)]))
    elif isinstance(logger, TensorBoardLogger):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        logger.experiment.add_image(key, pixels, dataformats="HWC")


def log_table(
    logger: Logger, key: str, table: pd.DataFrame, pictures: Sequence[Image.Image] | None = None
) -> None:
    """Show a table under `key`; CSV runs get `<key>.csv`. `pictures`, one a row, are for W&B alone.

    Of a very long table W&B gets a fixed sample of the rows.
    """
    if isinstance(logger, WandbLogger):
        content = {key: wandb_table(table, pictures)}
        spared(logger, key, partial(logger.experiment.log, content))
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text(key, "```\n" + table.to_string(index=False) + "\n```")
    elif isinstance(logger, CSVLogger):
        table.to_csv(Path(logger.experiment.log_dir) / f"{key}.csv", index=False)


def wandb_table(table: pd.DataFrame, pictures: Sequence[Image.Image] | None) -> Any:
    """A wandb.Table of plain values, with a column of pictures in front where there are any."""
    import wandb

    if len(table) > MOST_ROWS:
        places = np.sort(np.random.default_rng(0).choice(len(table), MOST_ROWS, replace=False))
        table = table.iloc[places]
        pictures = None if pictures is None else [pictures[place] for place in places]
    plain = {str(name): plain_cells(column) for name, column in table.items()}
    rows: list[Any] = [list(row) for row in zip(*plain.values(), strict=True)]
    columns: list[Any] = list(plain)
    if pictures is not None:
        columns.insert(0, "image")
        rows = [[wandb.Image(picture), *row] for picture, row in zip(pictures, rows, strict=True)]
    return wandb.Table(columns=columns, data=rows)


def plain_cells(column: pd.Series) -> list[Any]:
    """A column as W&B takes it: numbers or text or flags, not some of each; what is missing is None."""
    cells = [cell.item() if hasattr(cell, "item") else cell for cell in column.astype(object)]
    there = [not (cell is None or (isinstance(cell, float) and cell != cell)) for cell in cells]
    kinds = {float if type(c) is int else type(c) for c, here in zip(cells, there, strict=True) if here}
    text = len(kinds) > 1 or not kinds <= {float, str, bool}
    return [(str(cell) if text else cell) if here else None for cell, here in zip(cells, there, strict=True)]


def log_confusion(logger: Logger, matrix: np.ndarray, class_names: Sequence[str]) -> None:
    """Images by true (row) and predicted class, a row a cell; W&B draws its own confusion matrix of them.

    Of very many classes only the cells that hold images.
    """
    names = [printable(name, 60) for name in class_names]
    every = matrix.size <= MOST_ROWS
    cells = [[names[i], names[j], int(n)] for (i, j), n in np.ndenumerate(matrix) if every or n]
    columns = ["Actual", "Predicted", "nPredictions"]
    table = pd.DataFrame(cells, columns=pd.Index(columns))
    if isinstance(logger, WandbLogger):
        import wandb

        fields = {name: name for name in columns}
        chart = wandb.plot_table(
            "wandb/confusion_matrix/v1", wandb_table(table, None), fields, {"title": "confusion matrix"}
        )
        spared(logger, "confusion_matrix", partial(logger.experiment.log, {"confusion_matrix": chart}))
    else:
        log_table(logger, "confusion_matrix", table)


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
