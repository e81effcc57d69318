"""Features of a table's subsets: of today's subsets only, and of one protocol where a table is shipped."""

from __future__ import annotations

from contextlib import nullcontext

import pandas as pd
import pytest
from tests.offline_runs import offline_logger, shows
from tests.records.journal_workers import record
from tests.reported import reported

from ohlora.assets import assets_dir
from ohlora.build import build
from ohlora.datasets.readers import Digits
from ohlora.datasets.subset import TooFewImages
from ohlora.errors import OhloraError
from ohlora.features.jobs import ShipTable
from ohlora.features.table import add_features, features_version, made_today
from ohlora.predictor.fit import protocol_to_fit
from ohlora.predictor.jobs import FitPredictor
from ohlora.records.journal import Journal
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.tracking import tracked


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


def test_features_say_which_code_and_encoders_made_them(frame, describe, tmp_path):
    encoders = assets_dir() / "encoders"
    described = describe(frame)
    assert set(described["features_version"]) == {features_version(encoders)}
    assert made_today(described, encoders)
    assert made_today(described.drop(columns="features_version"), encoders), "somebody else's table"
    assert not made_today(described.assign(features_version="1-older"), encoders)
    assert not made_today(described, tmp_path), "other encoders"
    assert not made_today(frame, encoders)


def test_a_subset_with_too_few_images_today_is_left_out_and_counted(
    frame, describe, varied, digits, cache_dir
):
    def refused(seed: int) -> bool:
        try:
            varied.draw(digits, seed, cache_dir)
        except TooFewImages:
            return True
        return False

    lost = next(seed for seed in range(2000) if refused(seed))
    with pytest.warns(UserWarning, match="left out of the table: 3 trials on subsets with too few images"):
        described = describe(frame.replace({"seed": {4: lost}}))
    assert described["seed"].unique().tolist() == [3]
    with pytest.warns(UserWarning, match="3 trials"):  # from the cache as well
        assert len(describe(frame.replace({"seed": {4: lost}}))) == 3


def job_of(composed, model, folder, cache_dir):
    table, out = f"tables=[{folder / 't.parquet'}]", f"paths.run_dir={folder}"
    return build(
        composed("train", f"model={model}", "size=smoke", table, out, f"paths.cache_dir={cache_dir}").job
    )


@pytest.mark.slow
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
            tables=(mixed,),
            space=space,
            protocol=smoke,
            datasets={"digits": Digits()},
            families={"varied": varied},
            encoders=str(assets_dir() / "encoders"),
            cache_dir=str(cache_dir),
            save_to=str(tmp_path / "shipped"),
            output_dir=str(tmp_path),
            logger=offline_logger(tmp_path, "target_table"),
        )
        with (
            tracked(ship.logger, {}),
            pytest.warns(UserWarning, match=r"1 trials of protocol old, .*; 1 trials of varied .* by older"),
        ):
            assert ship.run() == 4
        logged = shows(tmp_path, "Target tables")
        assert reported(tmp_path / "shipped", "Target tables").summary["trials"] == 4
        assert "mixed" in [one["name"] for one in logged.config["inputs"]]
        assert set(logged.artifacts["target_table"]["paths"]) == {"target_table.parquet", "target_table.json"}
        shipped = pd.read_parquet(tmp_path / "shipped" / "target_table.parquet")
        assert set(shipped["protocol"]) == {smoke.fingerprint}
        assert set(shipped["subset_fingerprint"]) == {varied.fingerprint}
        # Put into a table folder as it is, it counts there as done.
        (tmp_path / "shipped" / "target_table.parquet").rename(tmp_path / "shipped" / "trials.parquet")
        assert set(Journal(tmp_path / "shipped").records()) == set(shipped["trial"])

    def test_an_own_folders_trial_stays_out_and_is_counted(self, frame, composed, cache_dir, tmp_path):
        """A sweep, then one watched trial: dataset=folder subset=none trials=1."""
        frame.loc[0, ["dataset", "family", "subset_fingerprint"]] = ["my_photos", "none", "w" * 8]
        frame.to_parquet(tmp_path / "t.parquet")
        for model in ("target_table", "hp_predictor"):
            job = job_of(composed, model, tmp_path, cache_dir)
            with (
                pytest.warns(
                    UserWarning, match=r"left out of the table: 1 trials on none subsets of my_photos"
                ),
                nullcontext()
                if model == "target_table"
                else pytest.raises(OhloraError, match="has 2 subsets"),
            ):
                assert job.run() == 5

    def test_subsets_of_the_league_are_refused_again(self, frame, composed, cache_dir, tmp_path):
        frame.loc[3, "seed"] = LEAGUE_SEEDS + 5
        frame.to_parquet(tmp_path / "t.parquet")
        for model in ("target_table", "hp_predictor"):
            with pytest.raises(OhloraError, match=r"row \d of the table is of subset digits/varied/1000005"):
                job_of(composed, model, tmp_path, cache_dir).run()

    def test_is_learned_without_them(self, mixed, composed, cache_dir):
        config = composed(
            "train", "model=hp_predictor", "size=smoke", f"tables=[{mixed}]", f"paths.cache_dir={cache_dir}"
        )
        job = build(config.job)
        assert isinstance(job, FitPredictor)
        with pytest.warns(UserWarning, match="left out of the table"), pytest.raises(OhloraError) as caught:
            job.run()
        assert "the table has 2 subsets" in str(caught.value)


class TestATableOfAnotherProtocol:
    """size=smoke fits a small predictor on the table that ships, whose trials are of the default size."""

    def test_is_learned_from_where_it_has_one_only(self):
        frame = pd.DataFrame({"protocol": ["theirs"] * 3})
        with pytest.warns(UserWarning, match="all of protocol theirs"):
            assert protocol_to_fit(frame, "today") == "theirs"

    @pytest.mark.parametrize("found", [["today"] * 3, ["a", "b"], ["a", "today"]])
    def test_else_todays_are_taken(self, found):
        assert protocol_to_fit(pd.DataFrame({"protocol": found}), "today") == "today"
