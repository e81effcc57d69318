"""The sweep: resumes, grows, shares, and never trains a trial twice."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tests.offline_runs import offline_logger, shows
from tests.reported import reported

from ohlora import progress
from ohlora.assets import assets_dir
from ohlora.datasets.families import SubsetFamily
from ohlora.datasets.readers import Digits
from ohlora.datasets.subset import TooFewImages
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.loggers import CsvLogs
from ohlora.predictor.near_best import NearBest
from ohlora.records.journal import Journal
from ohlora.records.record import plain
from ohlora.records.table import read_table
from ohlora.seeds import CHOSEN_SEEDS, LEAGUE_SEEDS, REPEAT_SEEDS
from ohlora.space import Choice, Real, Space
from ohlora.tracking import tracked
from ohlora.trainer import TrainerSettings
from ohlora.trials.classifier import load_classifier
from ohlora.trials.cnn import score
from ohlora.trials.jobs import TrainTrials
from ohlora.trials.plan import spread_params

QUIET = TrainerSettings(
    enable_progress_bar=False,
    enable_model_summary=False,
    enable_checkpointing=False,
    devices=1,
    strategy="auto",
)


@pytest.fixture
def sweep(tmp_path, varied, space, smoke, cpu, cache_dir) -> TrainTrials:
    """Five trials on digits, two a subset."""
    return TrainTrials(
        dataset=Digits(),
        family=varied,
        space=space,
        protocol=smoke,
        trials=5,
        trials_per_subset=2,
        repeats=1,
        chooser=None,
        seed=0,
        save_subset=None,
        hardware=cpu,
        members=None,
        mix=False,
        table=str(tmp_path / "table"),
        cache_dir=str(cache_dir),
        output_dir=str(tmp_path / "run"),
        driver="lean",
        trainer=QUIET,
        callbacks={},
        logger=CsvLogs(str(tmp_path / "run")).make(),
    )


def shards(sweep: TrainTrials) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (Path(sweep.table) / "journal").iterdir()}


def test_trials_are_spread_over_subsets_and_the_best_is_returned(sweep, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.02)
    best = sweep.run()
    table = read_table([sweep.table])
    assert len(table) == 5
    assert sorted(table.seed.value_counts()) == [1, 2, 2]
    assert best == table.val_f1.max()
    assert sorted(table.trial_seed) == [0, 1, 2, 3, 4]
    told = capsys.readouterr().out
    assert "5 trials, 5 of them new" in told
    assert re.search(r"^digits varied: \d of 5, [\d,]+ trials/h, .* left$", told, re.MULTILINE)
    assert "trials.parquet" in told
    for row in table.to_dict("records"):
        sweep.space.check({k.removeprefix("params."): v for k, v in row.items() if k.startswith("params.")})


def test_the_same_sweep_again_adds_nothing(sweep, capsys):
    best = sweep.run()
    before = shards(sweep)
    assert sweep.run() == best
    assert shards(sweep) == before
    assert "5 trials, 0 of them new" in capsys.readouterr().out


def test_a_larger_sweep_adds_only_what_is_missing(sweep):
    dataclasses.replace(sweep, trials=3).run()
    first = read_table([sweep.table])
    sweep.run()
    grown = read_table([sweep.table])
    assert len(grown) == 5
    kept = grown[grown.trial.isin(first.trial)].reset_index(drop=True)
    assert kept.equals(first)
    dataclasses.replace(sweep, trials=2).run()
    assert read_table([sweep.table]).equals(grown), "a smaller sweep takes nothing away"


def test_a_table_handed_on_without_its_journal_is_gone_on_with(sweep, tmp_path):
    dataclasses.replace(sweep, trials=3).run()
    handed_on = dataclasses.replace(sweep, table=str(tmp_path / "handed_on"))
    (tmp_path / "handed_on").mkdir()
    shutil.copy(Path(sweep.table) / "trials.parquet", tmp_path / "handed_on")
    handed_on.run()
    first, table = read_table([sweep.table]), read_table([handed_on.table])
    assert sum(content.count(b"\n") for content in shards(handed_on).values()) == 2, "three were done"
    assert len(table) == 5
    assert table[table.trial.isin(first.trial)].reset_index(drop=True).equals(first)


@pytest.mark.parametrize("driver", ["lean", "stacked"])
def test_params_are_trained_again_under_other_seeds(sweep, driver):
    dataclasses.replace(sweep, driver=driver).run()
    first = read_table([sweep.table])
    dataclasses.replace(sweep, driver=driver, repeats=3, trials=2).run()
    table = read_table([sweep.table])
    assert len(table) == 5 + 2 * 2, "the first seed of each was there"
    again = table[table.trial_seed >= REPEAT_SEEDS]
    assert sorted(again.trial_seed) == [
        REPEAT_SEEDS,
        REPEAT_SEEDS + 1,
        2 * REPEAT_SEEDS,
        2 * REPEAT_SEEDS + 1,
    ]
    params = [name for name in table.columns if name.startswith("params.")]
    for seed in (0, 1):
        same = table[table.trial_seed % REPEAT_SEEDS == seed]
        assert len(same) == 3
        assert len(same.drop_duplicates(params)) == 1
    assert table[table.trial.isin(first.trial)].reset_index(drop=True).equals(first)


def test_chosen_params_have_seeds_of_their_own(sweep, good_params):
    class Best:
        name = "best"

        def choose(self, data, subset, space, count):
            assert data.name == subset.recipe.dataset
            return [space.check({**good_params, "dropout_fc": i / 10}) for i in range(count)]

    sweep.run()
    dataclasses.replace(sweep, chooser=Best()).run()
    table = read_table([sweep.table])
    chosen = table[table.trial_seed >= CHOSEN_SEEDS]
    assert len(table) == 10
    assert sorted(chosen.trial_seed) == [CHOSEN_SEEDS + i for i in range(5)]
    assert set(chosen.chooser) == {"best"}
    assert set(table.chooser) == {"best", "evenly"}
    assert set(table.held_fixed) == {" ".join(sorted(sweep.space.fixed))}
    assert set(chosen["params.learning_rate"]) == {good_params["learning_rate"]}
    assert set(chosen.seed) == set(table.seed)


def test_stacked_and_lean_sweeps_make_the_same_table(sweep):
    lean = dataclasses.replace(sweep, table=sweep.table + "2")
    dataclasses.replace(sweep, driver="auto").run()
    lean.run()
    one, other = read_table([sweep.table]), read_table([lean.table])
    assert set(one.driver) == {"stacked"}
    assert list(one.trial) == list(other.trial)
    assert list(one.steps) == list(other.steps)
    assert list(one.val_loss) == pytest.approx(list(other.val_loss), rel=2e-3)


def test_a_stack_interrupted_keeps_what_is_finished_and_gives_back_the_rest(sweep, monkeypatch):
    stacked = dataclasses.replace(sweep, driver="stacked", members=1)
    append, room = Journal.append, [2]

    def interrupted(self, record):
        if not room[0]:
            raise KeyboardInterrupt
        room[0] -= 1
        append(self, record)

    monkeypatch.setattr(Journal, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stacked.run()
    monkeypatch.undo()
    assert len(Journal(Path(sweep.table)).records()) == 2
    stacked.run()  # nothing is claimed any more
    assert len(read_table([sweep.table])) == 5


def test_a_table_removed_while_the_sweep_runs_is_not_called_safe(sweep, monkeypatch):
    append = Journal.append

    def removed_before(self, record):
        if self.records():
            shutil.rmtree(sweep.table)
        append(self, record)

    monkeypatch.setattr(Journal, "append", removed_before)
    with pytest.raises(OhloraError, match="and so are those before it: the file was removed") as caught:
        sweep.run()
    assert "safe" not in str(caught.value)


def test_what_another_process_has_claimed_is_left_to_it(sweep, capsys):
    dataclasses.replace(sweep, trials=1).run()
    (first,) = Journal(Path(sweep.table)).records()
    other = Journal(Path(sweep.table))
    dataclasses.replace(sweep, table=sweep.table + "2").run()
    theirs = next(d for d in Journal(Path(sweep.table + "2")).records() if d != first)
    assert other.claim(theirs)
    sweep.run()
    assert theirs not in Journal(Path(sweep.table)).records()
    assert "1 trials are in the hands of other processes" in capsys.readouterr().out
    other.release(theirs)
    sweep.run()
    assert set(Journal(Path(sweep.table)).records()) == set(Journal(Path(sweep.table + "2")).records())


def test_other_settings_are_other_trials(sweep, classic_space):
    sweep.run()
    dataclasses.replace(sweep, space=classic_space).run()
    dataclasses.replace(sweep, seed=100).run()
    budget = dataclasses.replace(sweep.protocol.budget, min_steps=9)
    protocol = dataclasses.replace(sweep.protocol, budget=budget)
    dataclasses.replace(sweep, protocol=protocol).run()
    table = read_table([sweep.table])
    assert len(table) == 20
    assert table.trial.is_unique
    assert table.protocol.nunique() == 2


def test_every_fault_is_named_before_anything_is_loaded(sweep):
    with pytest.raises(OhloraError) as caught:
        dataclasses.replace(sweep, trials=0, trials_per_subset="6", seed=LEAGUE_SEEDS)
    for words in ("trials=0", "trials_per_subset=6", f"seed={LEAGUE_SEEDS}"):
        assert words in str(caught.value)
    with pytest.raises(OhloraError, match=r"driver=fast is not one of auto \| stacked \| lean \| trainer"):
        dataclasses.replace(sweep, driver="fast")


def test_only_one_trial_can_be_watched(sweep):
    with pytest.raises(OhloraError, match=r"driver=trainer watches one trial .*, not 6"):
        dataclasses.replace(sweep, trials=3, repeats=2, driver="trainer")


def test_a_watched_trial_is_the_chooser_s_first(sweep):
    chooser = NearBest(str(assets_dir()), str(assets_dir() / "encoders"))
    chosen = dataclasses.replace(sweep, trials=1, chooser=chooser)
    watched = dataclasses.replace(chosen, driver="trainer", table=sweep.table + "2")
    assert watched.run() == chosen.run()
    tables = [Journal(Path(job.table)).records() for job in (chosen, watched)]
    assert set(tables[0]) == set(tables[1])
    assert {record.chooser for table in tables for record in table.values()} == {"near_best"}


class TestLeagueSeeds:
    """No sweep may train on a subset that matches are played on."""

    @pytest.mark.parametrize(("seed", "fits"), [(LEAGUE_SEEDS - 3, True), (LEAGUE_SEEDS - 2, False)])
    def test_the_last_planned_subset_is_checked_with_the_settings(self, sweep, seed, fits):
        with nullcontext() if fits else pytest.raises(OhloraError, match="goes up to 1000000, but"):
            dataclasses.replace(sweep, seed=seed)  # five trials, two a subset: three subsets

    def test_seeds_with_too_few_images_push_the_others_up(self, sweep):
        """Where some seeds are passed over, the last subset lies higher than was planned."""

        class EverySecond(SubsetFamily):
            def draw(self, data, seed, cache_dir):
                if seed % 2:
                    raise TooFewImages("odd")
                return sweep.family.draw(data, seed % 50, cache_dir)

        family = EverySecond(**dataclasses.asdict(sweep.family))
        job = dataclasses.replace(sweep, family=family, seed=LEAGUE_SEEDS - 4)
        with pytest.raises(OhloraError, match=r"the 3 subsets from subset\.seed=999996 on reach 1000000"):
            job.run()
        assert not (Path(job.table) / "journal").exists(), "nothing was trained"
        watched = dataclasses.replace(job, trials=1, seed=LEAGUE_SEEDS - 1, driver="trainer")
        with pytest.raises(OhloraError, match=r"subset\.seed=999999 on reach 1000000"):
            watched.run()


class TestOtherHardware:
    """Precision and device are not in a trial's key: such trials are taken only when asked for."""

    @pytest.fixture
    def bf16(self, sweep):
        return dataclasses.replace(sweep, hardware=Hardware("cpu", "bf16", 1))

    def test_a_sweep_in_another_precision_is_refused_before_training(self, sweep, bf16):
        dataclasses.replace(sweep, trials=2).run()
        with pytest.raises(OhloraError) as caught:
            bf16.run()
        assert "2 of 5 planned trials" in str(caught.value)
        assert "precision=32 on cpu (2); now precision=bf16 on cpu" in str(caught.value)
        assert "mix=true" in str(caught.value)
        assert len(read_table([sweep.table])) == 2

    def test_they_are_mixed_when_asked_and_said_in_a_line(self, sweep, bf16, capsys):
        dataclasses.replace(sweep, trials=2).run()
        capsys.readouterr()
        dataclasses.replace(bf16, mix=True).run()
        first, *_ = capsys.readouterr().out.splitlines()
        assert first.startswith("2 of 5 planned trials are in ")
        assert sorted(read_table([sweep.table]).precision) == ["32", "32", "bf16", "bf16", "bf16"]

    def test_trials_of_other_plans_do_not_matter(self, sweep, bf16):
        sweep.run()
        dataclasses.replace(bf16, seed=100, trials=1).run()

    def test_drivers_are_the_same_on_a_cpu(self, sweep, capsys):
        dataclasses.replace(sweep, trials=2).run()
        dataclasses.replace(sweep, driver="stacked").run()
        assert "trained otherwise" not in capsys.readouterr().out


def test_the_params_that_won_are_named(sweep, tmp_path, capsys):
    sweep = dataclasses.replace(sweep, logger=offline_logger(tmp_path, "cnn"))
    with tracked(sweep.logger, {}):
        best_f1 = sweep.run()
    logged = shows(tmp_path, "Sweeps")
    assert reported(tmp_path, "Sweeps").summary["best validation F1"] == pytest.approx(best_f1)
    assert reported(tmp_path, "Tables of trials").summary["trials"] == 5
    assert logged.history["best_val_f1"][-1] == best_f1
    assert len(logged.history["trial/val_f1"]) == 5
    assert logged.artifacts["trials"]["paths"] == ["trials.parquet"]
    told = capsys.readouterr().out
    table = read_table([sweep.table])
    best = table.loc[table.val_f1.idxmax()]
    (line,) = [line for line in told.splitlines() if line.startswith("best: ")]
    assert line.startswith(f"best: subset {best.seed}, val F1 {best.val_f1:.3f}: dropout_conv_early ")
    for name in sweep.space.free:
        value = best[f"params.{name}"]
        assert f"{name} {f'{value:.3g}' if isinstance(value, float) else value}" in line
    rows = pd.read_csv(tmp_path / "run" / "winners.csv")
    assert list(rows.subset) == sorted(set(table.seed))
    assert list(rows.val_f1) == pytest.approx(list(table.groupby("seed").val_f1.max()), abs=1e-12)  # CSV
    assert set(rows.columns) >= set(sweep.space.within)


def test_params_of_the_whole_space_are_those_of_the_shipped_table(sweep, digits):
    """Else every sweep over the whole space would start anew. Most rows are of narrower axes."""
    axes = {
        **sweep.space.within,
        "learning_rate": Real(2e-5, 6e-3, log=True),
        "batch_size": Choice((16, 32, 64, 128)),
    }
    sweep = dataclasses.replace(sweep, space=Space(axes, axes))
    shipped = read_table([assets_dir() / "target_table.parquet"])
    rows = shipped[
        (shipped.dataset == "digits") & (shipped.family == "varied") & (shipped.trial_seed < CHOSEN_SEEDS)
    ]
    spread = spread_params(dataclasses.replace(sweep, trials=3000), digits)
    params = {tuple(sorted(one.items())) for one in spread}
    names = sorted(sweep.space.within)
    found = [
        tuple((name, plain(row[f"params.{name}"])) for name in names) in params
        for row in rows.to_dict("records")
    ]
    assert sum(found) > 100


def test_subsets_can_be_looked_at(sweep, tmp_path):
    dataclasses.replace(sweep, save_subset=str(tmp_path / "seen"), trials=3).run()
    assert len(list((tmp_path / "seen").iterdir())) == 2
    pictures = list((tmp_path / "seen").rglob("*.png"))
    assert len(pictures) > 100
    with Image.open(pictures[0]) as picture:
        assert picture.size == (8, 8)


@pytest.mark.slow
def test_one_trial_watched_leaves_everything_to_look_at(sweep, tmp_path, capsys):
    watched = dataclasses.replace(sweep, trials=1, driver="auto")
    value = watched.run()
    run = tmp_path / "run"
    trial = json.loads((run / "trial.json").read_text())
    assert trial["driver"] == "trainer"
    assert trial["val_f1"] == value
    assert [point["step"] for point in trial["curve"]] == [4, 8]
    for name in ("contact_sheet.png", "curve.png", "confusion.png"):
        with Image.open(run / name) as picture:
            assert picture.size[0] > 100
    assert "1 of them new" in capsys.readouterr().out
    shown = reported(run, "Trials watched")
    assert [len(chart.lines["val_f1"]) for chart in shown.charts[1:]] == [2]
    assert len(shown.figures) == 2
    # The sweep would train the same trial: same key, same score.
    lean = dataclasses.replace(sweep, table=sweep.table + "2", trials=1)
    assert lean.run() == value
    assert set(Journal(Path(sweep.table)).records()) == set(Journal(Path(lean.table)).records())
    assert watched.run() == value
    told = capsys.readouterr().out
    assert "0 of them new" in told
    assert f"not added to {sweep.table}" in told


def test_a_watched_trial_that_diverges_leaves_the_same(sweep, tmp_path):
    axes = {**sweep.space.within, "learning_rate": Real(1e29, 1e30, log=True)}
    space = Space({**axes, "learning_rate": 1e30}, axes)
    dataclasses.replace(sweep, trials=1, driver="trainer", space=space).run()
    trial = json.loads((tmp_path / "run" / "trial.json").read_text())
    assert trial["status"] == "diverged"
    assert trial["curve"][-1]["val_loss"] is None
    assert not (tmp_path / "run" / "classifier.json").exists(), "there is nothing to predict with"
    assert reported(tmp_path / "run", "Trials watched").charts


def test_the_classifier_of_a_watched_trial_can_be_used(sweep, tmp_path, digits):
    dataclasses.replace(sweep, trials=1, driver="trainer").run()
    trial = json.loads((tmp_path / "run" / "trial.json").read_text())
    classifier = load_classifier(tmp_path / "run")
    subset = sweep.family.draw(digits, trial["seed"], Path(sweep.cache_dir))
    assert classifier.class_names == subset.class_names
    assert classifier.image_shape == (1, 8, 8)
    assert classifier.card["params"] == {
        name.removeprefix("params."): value for name, value in trial.items() if name.startswith("params.")
    }
    assert classifier.card["protocol"]["fingerprint"] == trial["protocol"]
    _, f1 = score(classifier.logits(subset.test.images), subset.test.labels)
    assert f1 == pytest.approx(trial["test_f1"], abs=1e-6)
