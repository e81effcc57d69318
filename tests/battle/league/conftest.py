"""A league of a moment: 8x8 digits, eight steps, a predictor fitted on a made-up table."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf
from tests.predictor.conftest import SETTINGS

from ohlora.battle.league import report
from ohlora.battle.league.jobs import PlayLeague
from ohlora.build import build
from ohlora.predictor.predictor import fit, with_noise
from ohlora.predictor.table import predictor_table
from ohlora.space import Space
from ohlora.trials.protocol import Protocol

SMALL = [
    "league=standard",
    "size=smoke",
    "dataset=digits",
    "league.at_once=2",
    "league.bootstrap.resamples=200",
    "league.final_seeds=[1,2]",
    "drawn.varied.family.train_images=[60,120]",
    "drawn.varied.family.val_images=[20,40]",
    "drawn.varied.family.test_images=40",
    "drawn.varied.family.classes=[2,4]",
    *(f"league.contestants.{name}=null" for name in ("gp", "tpe_univariate", "static")),
    *(f"league.strata.{name}=null" for name in ("large", "classic", "middle")),
]
Making = Callable[..., PlayLeague]


@pytest.fixture(scope="session")
def made_table(space: Space) -> pd.DataFrame:
    """Trials on 10 subsets of digits and 11 of stripes, with two features."""
    rng = np.random.default_rng(0)
    rows = []
    for subset in range(21):
        size = rng.uniform(4, 8)
        for number, params in enumerate(space.points(12, seed=subset)):
            rate = space.within["learning_rate"].position(params["learning_rate"])  # type: ignore[arg-type]
            score = 0.8 - 0.5 * (rate - 0.9) ** 2 - 0.2 * float(params["dropout_fc"])
            rows.append(
                {
                    "trial": f"{subset}-{number}",
                    "dataset": "digits" if subset < 10 else "stripes",
                    "family": "varied",
                    "seed": subset,
                    "feature.counts.log_images": size,
                    "feature.counts.classes": float(2 + subset % 5),
                    **{f"params.{name}": value for name, value in params.items()},
                    "val_f1": score,
                    "test_f1": score,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def made_predictor(
    space: Space, smoke: Protocol, made_table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a predictor that knows this table."""
    table = predictor_table(made_table, space, "test_f1", ["*"])
    folder = tmp_path_factory.mktemp("predictor")
    fitted = fit(table, space, replace(SETTINGS, epochs=8, members=2), seed=0)
    with_noise(fitted, 0.05, {"protocol": smoke.fingerprint}).save(folder, "hp_predictor")
    return folder


@pytest.fixture(scope="session")
def small(composed: Callable[..., DictConfig], made_predictor: Path) -> DictConfig:
    """Two small digits subsets, everyone with two trials at most."""
    hardware = ["hardware.device=cpu", "hardware.precision=32"]
    return composed("battle", *SMALL, f"paths.predictor={made_predictor}", *hardware)


def with_settings(cfg: DictConfig, folder: Path, *settings: str) -> PlayLeague:
    """The league with some settings changed, its files in a folder."""
    cfg = deepcopy(cfg)
    for setting in (f"paths.output_dir={folder / 'out'}", f"paths.run_dir={folder / 'run'}", *settings):
        name, _, value = setting.partition("=")
        OmegaConf.update(cfg, name, yaml.safe_load(value))
    job = build(cfg.job)
    _ = job.logger.experiment  # as the door begins it
    return job


@pytest.fixture
def league(small: DictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Making:
    """`league("league.play=false")`: the small one with settings changed; it draws no figures."""
    monkeypatch.setattr(report, "figures", lambda job, tables, out: [])
    return partial(with_settings, small, tmp_path)


@pytest.fixture(scope="session")
def whole(small: DictConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a league, played to its end once; not to be written to."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "figures", lambda job, tables, out: [])
        with_settings(small, folder).run()
    return folder


@pytest.fixture
def played(whole: Path, league: Making, tmp_path: Path) -> Making:
    """As `league`, with all of it played already."""
    shutil.copytree(whole / "out", tmp_path / "out")
    return league
