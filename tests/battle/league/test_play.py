"""A league played: what is trained, what is shared, what is never opened, and how it goes on."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig
from tests.battle.league.conftest import Making, with_settings

from ohlora.battle.league import knowledge
from ohlora.battle.league.entries import FixedEntry
from ohlora.battle.league.jobs import PlayLeague
from ohlora.battle.league.knowledge import Knowledge, Library
from ohlora.battle.league.plan import known_plan
from ohlora.battle.league.played import content_of, edition, read_played
from ohlora.datasets.readers import DatasetUnavailable, Digits
from ohlora.errors import OhloraError
from ohlora.predictor.fixed import best_on_average
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import search
from ohlora.records.claims import Claims
from ohlora.records.journal import Journal
from ohlora.records.record import TrialRecord


def lines(job: PlayLeague) -> int:
    """Trainings in the journal, each time one was made."""
    return sum(path.read_bytes().count(b"\n") for path in journal(job).folder.glob("*.jsonl"))


def journal(job: PlayLeague) -> Journal:
    return Journal(Path(job.league.folder))


def kept(job: PlayLeague) -> dict[str, dict[str, Any]]:
    """Everyone's play by the subset's file."""
    files = sorted((Path(job.league.folder) / "played").glob("*.json"))
    return {file.name: content_of(file)["leagues"][edition(job)] for file in files}


def scores(job: PlayLeague) -> dict[str, Any]:
    """What does not hang on the occasion."""
    return {
        file: {
            name: [[one["trials"], one["params"], one["test_f1"]] for one in each["scored"]]
            for name, each in league.items()
        }
        for file, league in kept(job).items()
    }


def is_trial(record: TrialRecord) -> bool:
    return record.key.seed == record.key.subset.seed


def test_a_portfolio_follows_every_promise(
    small: DictConfig, made_predictor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would hold the fixed answer and little more: on known subsets she hardly ever leaves it."""
    space = with_settings(small, tmp_path).space
    predictor = Predictor.load(made_predictor, "hp_predictor")
    fixed = {name: best_on_average(predictor, space, 0, name) for name in set(predictor.known_datasets)}
    predictor = replace(predictor, card={**predictor.card, "fixed_answers": fixed})
    found = {
        margin: [
            search(predictor, space, predictor.known[i : i + 1], seed=0, margin=margin).params
            for i in range(len(predictor.known))
        ]
        for margin in (0.0, math.inf)
    }
    assert all(params in fixed.values() for params in found[math.inf])
    monkeypatch.setattr(
        "ohlora.battle.league.knowledge.search", partial(search, margin=1.0)
    )  # its own counts
    portfolio = Knowledge(predictor, space, tmp_path).portfolio(1000, None)
    assert all(params in portfolio for params in found[0.0])


class TestAWholeLeague:
    @pytest.mark.slow
    def test_nothing_is_trained_twice_and_trainings_are_shared(self, played: Making) -> None:
        job = played()
        records = journal(job).records()
        assert lines(job) == len(records)
        tried = sum(len(each["tried"]) for league in kept(job).values() for each in league.values())
        assert tried > sum(map(is_trial, records.values()))
        for league in kept(job).values():
            assert league["tpe"]["tried"] == league["random"]["tried"], "both begin at random, alike"
            assert (
                league["tpe_from_static"]["tried"][0]["params"]
                == league["static_dataset"]["scored"][0]["params"]
            )

    def test_trials_never_open_the_test_split(self, played: Making) -> None:
        records = journal(played()).records().values()
        assert {record.test_f1 is None for record in records if is_trial(record)} == {True}
        finals = [record for record in records if not is_trial(record)]
        assert all(record.test_f1 is not None for record in finals)
        assert {record.key.seed - record.key.subset.seed for record in finals} == {1, 2}

    def test_the_best_by_validation_is_scored(self, played: Making) -> None:
        for league in kept(played()).values():
            for name in ("tpe", "random", "portfolio", "tpe_from_static"):
                for one in league[name]["scored"]:
                    tried = league[name]["tried"][: one["trials"]]
                    assert one["params"] == max(tried, key=lambda trial: trial["val_f1"])["params"]
                    spent = sum(trial["elapsed_s"] for trial in tried)
                    assert one["searched_s"] == pytest.approx(spent)

    def test_she_chooses_by_what_she_believes(self, played: Making, made_predictor: Path) -> None:
        job = played()
        predictor = Predictor.load(made_predictor, "hp_predictor")
        for league in kept(job).values():
            glance, _, after_two = league["ohlora"]["scored"]
            assert glance["params"] == league["ohlora"]["tried"][0]["params"]
            assert 0 < glance["predicted_f1"] <= 1
            assert after_two["trials"] == 2
            assert league["static_dataset"]["scored"][0]["params"] == best_on_average(
                predictor, job.space, 0, "digits"
            )

    def test_seeds_of_the_league_are_apart(self, played: Making) -> None:
        job = played()
        plan = known_plan(job)
        assert plan is not None
        assert {one.recipe.seed // 1_000_000 for one in plan.fixtures} == {24}
        assert {one.stratum for one in plan.fixtures} == {"small"}
        assert len({len(one["tried"]) for one in next(iter(kept(job).values())).values()}) > 1

    def test_the_report_has_tables_figures_and_samplers(self, played: Making, whole: Path) -> None:
        out = whole / "run"
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        assert (report["complete"], report["planned"]) == (2, 2)
        assert report["samplers"]["tpe"]["n_startup_trials"] == 10
        assert report["samplers"]["tpe"]["multivariate"] is True
        assert report["samplers"]["tpe"]["gamma"] == "default_gamma"
        assert report["samplers"]["optuna"]
        assert any("random search" in note for note in report["notes"])
        table = pd.read_parquet(out / "scores.parquet")
        assert set(table["contestant"]) == {*played().league.entries, "oracle"}
        assert table["regret"].min() == 0
        assert len(pd.read_parquet(out / "calibration.parquet"))


class TestGoingOn:
    def test_the_same_league_again_trains_nothing(
        self, played: Making, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job = played()
        before = scores(job), lines(job)
        job.run()
        assert (scores(job), lines(job)) == before
        assert "2 of 2 subsets are complete" in capsys.readouterr().out

    def test_a_new_contestant_trains_only_its_own(self, played: Making) -> None:
        before = kept(played()), lines(played())
        job = played(
            f"league.contestants.static={{_target_: {FixedEntry.__module__}.FixedEntry, per_dataset: false}}"
        )
        job.run()
        assert lines(job) - before[1] <= 2 * len(job.league.final_seeds)
        for file, league in kept(job).items():
            assert {**before[0][file], "static": league["static"]} == league

    @pytest.mark.slow
    def test_a_run_that_was_ended_goes_on_where_it_was(
        self, league: Making, whole: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, append, room = league("league_limits.subsets=1"), Journal.append, [9]

        def interrupted(self: Journal, record: TrialRecord) -> None:
            append(self, record)
            room[0] -= 1
            if not room[0]:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", interrupted)
            with pytest.raises(KeyboardInterrupt):
                job.run()
        assert lines(job) == 9, "what was trained is kept"
        assert not list((Path(job.league.folder) / "claims").glob("*.claims"))
        job.run()
        assert lines(job) == len(journal(job).records()), "and not trained again"
        content = {path.name: content_of(path) for path in (whole / "out/league/fair/played").glob("*.json")}
        uninterrupted = {
            file: {
                name: [[one["trials"], one["params"], one["test_f1"]] for one in each["scored"]]
                for name, each in one["leagues"][edition(job)].items()
            }
            for file, one in content.items()
        }
        assert scores(job).items() <= uninterrupted.items()

    def test_a_subset_in_other_hands_is_left_and_a_part_reported(
        self, played: Making, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job = played()
        plan = known_plan(job)
        assert plan is not None
        theirs = plan.fixtures[0]
        (Path(job.league.folder) / "played" / theirs.file).unlink()
        claims = Claims(Path(job.league.folder) / "claims")
        assert claims.take(theirs.digest)
        job.run()
        told = capsys.readouterr().out
        assert "subsets in the hands of other processes: 1" in told
        assert "1 of 2 subsets are complete" in told
        claims.give_all_back()
        before = lines(job)
        job.run()
        assert lines(job) == before, "its trainings were there"
        assert "2 of 2 subsets are complete" in capsys.readouterr().out

    def test_the_report_alone_writes_nothing_else(self, played: Making) -> None:
        job = played("league.play=false")
        folder = Path(job.league.folder)
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        job.run()
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    @pytest.mark.slow
    def test_the_drivers_agree(self, played: Making, tmp_path: Path) -> None:
        stacked = played()
        alone = [f"league.folder={tmp_path / 'lean'}", "league_limits.subsets=1"]
        away = [f"league.contestants.{name}=null" for name in ("tpe", "portfolio", "tpe_from_static")]
        lean = played("league.driver=lean", *alone, *away)
        lean.run()
        one, other = scores(stacked), scores(lean)
        assert len(other) == 1
        for file in other:
            for name in other[file]:
                for a, b in zip(one[file][name], other[file][name], strict=True):
                    assert a[2] == pytest.approx(b[2], abs=0.05)


class TestMistakes:
    """One message, before anything is trained."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {
                "league.headline=statik": "headline=statik is not one of",
                "league.final_seeds=[0, 1]": "0 is the trials' own",
                "league.first_seeds.mnist=24000001": "mnist and digits start less than",
                "league.datasets=[nowhere]": "first_seeds has none for nowhere",
                "league.strata.small=null": "all of them are left out",
            },
            {
                "league.contestants.ohlora=null": "contestants lacks ohlora",
                "league.final_seeds=[1, 1]": "each seed once",
                "league.first_seeds.digits=5": "first_seeds.digits=5 is not a whole number from 1000000",
                "league.strata.small.images=[5, 1]": "league.strata.small.images=[5, 1] is not a pair",
                "league_limits.trials=0": "league_limits.trials=0 is not a whole number from 1",
            },
            {"league.strata.small.family=odd": "family odd is not one of varied | classic"},
            {"league.rules=classic_optuna": "the trials' own score: [0]"},
            {"league.contestants.tpe.sampler=tpee": "sampler=tpee is not one of"},
            {"study_trials=[3, 2]": "study_trials=[3, 2]: not in ascending order"},
        ],
        ids=["many", "more", "family", "rules", "sampler", "order"],
    )
    def test_settings_are_refused_by_name_all_at_once(self, league: Making, wrong: dict[str, str]) -> None:
        with pytest.raises(OhloraError) as caught:
            league(*wrong)
        for message in wrong.values():
            assert message in str(caught.value)

    def test_datasets_that_are_not_at_hand_are_all_named(
        self, league: Making, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unavailable(self: Digits) -> None:
            raise DatasetUnavailable("digits is not in /nowhere")

        monkeypatch.setattr(Digits, "load", unavailable)
        job = league(
            "dataset=null", "league.datasets=[mnist, digits]", "paths.data_dir=nowhere", "paths.offline=true"
        )
        with pytest.raises(OhloraError, match=r"mnist|MNIST") as caught:
            job.run()
        assert "digits is not in /nowhere" in str(caught.value)
        assert not Path(job.league.folder).exists()

    def test_a_report_of_nothing_is_refused(self, league: Making) -> None:
        with pytest.raises(OhloraError, match="nothing of this league has been played"):
            league("league.play=false").run()

    def test_trainings_made_otherwise_are_not_mixed_in(self, played: Making) -> None:
        with pytest.raises(
            OhloraError, match=r"precision=32 on cpu, now precision=bf16 on cpu.*league\.mix=true"
        ):
            played("hardware.precision=bf16").run()
        played("hardware.precision=bf16", "league.mix=true").run()


def test_the_classic_rule_credits_optuna_with_its_best_test_score(
    league: Making, composed: Callable[..., DictConfig], made_predictor: Path, tmp_path: Path
) -> None:
    cfg = composed(
        "battle",
        "league=classic_optuna",
        "size=smoke",
        "dataset=digits",
        "league.strata.classic.subsets=1",
        "league_limits.trials=3",
        "study_trials=[1,3]",
        "hardware.device=cpu",
        f"paths.predictor={made_predictor}",
    )
    job = with_settings(cfg, tmp_path)
    job.run()
    assert job.space.fixed, "the space of the original"
    records = {json.dumps(r.key.params, sort_keys=True): r for r in journal(job).records().values()}
    assert {record.key.seed - record.key.subset.seed for record in records.values()} == {0}
    (league_played,) = kept(job).values()
    optuna = league_played["tpe_univariate"]
    tested = [records[json.dumps(one["params"], sort_keys=True)].test_f1 for one in optuna["tried"]]
    assert [one["test_f1"] for one in optuna["scored"]] == [[tested[0]], [max(tested)]]
    assert Counter(len(one["test_f1"]) for one in league_played["ohlora"]["scored"]) == {1: 1}
    plan = known_plan(job)
    assert plan is not None
    assert len(read_played(job, plan)) == 1


def test_search_is_what_she_would_play(played: Making, made_predictor: Path) -> None:
    """With her trials told, the choice is what she believes best then, whatever scored best."""
    job = played()
    predictor = Predictor.load(made_predictor, "hp_predictor")
    plan = known_plan(job)
    assert plan is not None
    for one in read_played(job, plan):
        hers = one.contestants["ohlora"]
        data = Digits().load()
        subset = job.families["varied"].draw(data, one.fixture.recipe.seed, Path(job.cache_dir))
        features = {
            "counts.log_images": math.log(len(subset.train)),
            "counts.classes": float(len(subset.class_names)),
        }
        past = [(trial["params"], trial["val_f1"]) for trial in hers["tried"]]
        found = search(predictor, job.space, predictor.vector(features), one.fixture.recipe.seed, past)
        assert hers["scored"][-1]["params"] == found.params


class TestUnseen:
    """The predictor never saw what is played on."""

    def test_it_is_fitted_on_the_table_less_that_source(
        self, league: Making, made_table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "table.parquet"
        made_table.to_parquet(path)
        job = league("league.unseen=true", f"paths.target_table={path}", f"paths.cache_dir={tmp_path}")
        library = Library(job)
        assert set(library.shipped.known_datasets) == {"digits", "stripes"}
        brought = library.brought("digits")
        predictor = brought.knowledge.predictor
        assert set(predictor.known_datasets) == {"stripes"}
        assert 0 < predictor.noise < 0.5
        assert predictor.card["report"]["without"] == "digits"
        assert brought.fixed(per_dataset=True) == brought.fixed(per_dataset=False), "nobody knows digits"
        assert library.brought("elsewhere").knowledge.predictor is library.shipped, "never seen anyway"
        folders = list(tmp_path.glob("predictor-without-digits-*"))
        before = folders[0].stat().st_mtime_ns
        assert Library(job).brought("digits").weights == brought.weights
        assert [one.stat().st_mtime_ns for one in folders] == [before], "and kept"
        monkeypatch.setattr(knowledge, "code_digest", lambda *patterns: "other code")
        Library(job).brought("digits")
        assert len(list(tmp_path.glob("predictor-without-digits-*"))) == 2, "other code may fit otherwise"

    def test_a_table_of_that_source_alone_teaches_nothing(
        self, league: Making, made_table: pd.DataFrame, tmp_path: Path
    ) -> None:
        path = tmp_path / "table.parquet"
        made_table[made_table["dataset"] == "digits"].to_parquet(path)
        job = league("league.unseen=true", f"paths.target_table={path}", f"paths.cache_dir={tmp_path}")
        with pytest.raises(OhloraError, match="nothing is left to learn from"):
            job.run()
        assert not (Path(job.league.folder) / "journal").exists()
