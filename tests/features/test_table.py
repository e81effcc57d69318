"""Features of a table's subsets: of today's subsets only, and of one protocol where a table is shipped."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.records.journal_workers import record

from ohlora.assets import assets_dir
from ohlora.datasets.readers import Digits
from ohlora.errors import OhloraError
from ohlora.features.table import add_features
from ohlora.features.target_table import ShipTable
from ohlora.predictor.fit import FitPredictor
from ohlora.records.journal import Journal
from ohlora.tracking import csv_logger


@pytest.fixture
def frame(varied, smoke, good_params) -> pd.DataFrame:
    """Six trials on two digits subsets, drawn and trained by today's settings."""
    rows = []
    for i in range(6):
        row = {k: v for k, v in record(i).row().items() if not k.startswith("params.")}
        row |= {f"params.{name}": value for name, value in good_params.items()}
        row |= {"seed": 3 + i % 2, "subset_fingerprint": varied.fingerprint, "protocol": smoke.fingerprint}
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture
def describe(varied, cache_dir):
    def run(frame: pd.DataFrame) -> pd.DataFrame:
        return add_features(
            frame, {"digits": Digits()}, {"varied": varied}, assets_dir() / "encoders", cache_dir
        )

    return run


def test_rows_of_a_subset_drawn_otherwise_never_get_todays_features(frame, describe):
    """Also where today's subset of the same name is in the cache already."""
    described = describe(frame)
    assert described.filter(like="feature.").notna().all(axis=None)
    assert described.groupby("seed")["feature.counts.log_images"].nunique().tolist() == [1, 1]
    old = frame.assign(subset_fingerprint=["older", *frame["subset_fingerprint"][1:]])
    with pytest.raises(
        OhloraError, match=r"digits/varied/3 was drawn by other settings \(older\) than today's"
    ):
        describe(old)


class TestAMixedTable:
    """Of two protocols and two draws of one family, the rows of today's are taken, the others counted."""

    @pytest.fixture
    def mixed(self, frame, tmp_path) -> str:
        frame.loc[1, "protocol"] = "old"
        frame.loc[2, "subset_fingerprint"] = "older"
        frame.to_parquet(tmp_path / "mixed.parquet")
        return str(tmp_path / "mixed.parquet")

    def test_is_shipped_without_them(self, mixed, frame, space, smoke, varied, cache_dir, tmp_path):
        ship = ShipTable(
            tables=[mixed],
            space=space,
            protocol=smoke,
            datasets={"digits": Digits()},
            families={"varied": varied},
            encoders=str(assets_dir() / "encoders"),
            cache_dir=str(cache_dir),
            save_to=str(tmp_path / "shipped"),
            output_dir=str(tmp_path),
            logger=csv_logger(str(tmp_path)),
        )
        with pytest.warns(UserWarning, match=r"1 trials of protocol old, .*; 1 trials of varied .* by older"):
            assert ship.run() == 4
        shipped = pd.read_parquet(tmp_path / "shipped" / "target_table.parquet")
        assert set(shipped["protocol"]) == {smoke.fingerprint}
        assert set(shipped["subset_fingerprint"]) == {varied.fingerprint}
        # Put into a table folder as it is, it counts there as done.
        (tmp_path / "shipped" / "target_table.parquet").rename(tmp_path / "shipped" / "trials.parquet")
        assert set(Journal(tmp_path / "shipped").records()) == set(shipped["trial"])

    def test_is_learned_without_them(self, mixed, composed, cache_dir):
        from ohlora.build import build

        config = composed(
            "train", "model=hp_predictor", "size=smoke", f"tables=[{mixed}]", f"paths.cache_dir={cache_dir}"
        )
        job = build(config.job)
        assert isinstance(job, FitPredictor)
        with pytest.warns(UserWarning, match="left out of the table"), pytest.raises(OhloraError) as caught:
            job.run()
        assert "the table has 2 subsets" in str(caught.value)
