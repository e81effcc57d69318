"""Pretraining and fine-tuning through their real doors, on a model made here."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace

import pytest
import yaml
from tests.offline_runs import shows
from tests.reported import reported

from ohlora.battle.verdict import Verdict
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.narrator.lessons import Rehearsal
from ohlora.narrator.training import HELD_OUT, examples, is_true, read_source, spliced

FINE_TUNE = "fine-tune"
SMALL = [
    "language=ko",
    "hydra.run.dir=run",
    "hardware.threads=1",
    "fine_tuning.lessons.draws=1",
    "fine_tuning.lessons.splices=0",
    "fine_tuning.schedule.batch_size=4",
    "fine_tuning.schedule.max_steps=4",
    "fine_tuning.schedule.checks=2",
    "fine_tuning.adapter.rank=4",
]


def test_spliced_lines_are_new_true_and_keep_away_from_held_out_cases():
    lines = [line for line in read_source() if line.verdicts not in HELD_OUT]
    found = spliced(lines, share=0.03, seed=0)
    written = {line.text for line in lines}
    assert len(found) > 100
    assert not {line.text for line in found} & written
    assert not {line.verdicts for line in found} & HELD_OUT
    assert all(map(is_true, found[::20]))
    assert [line.text for line in spliced(lines, share=0.03, seed=0)] == [line.text for line in found]


def test_examples_hold_every_line_as_often_as_asked():
    train, held = examples(draws=3, splices=0.0, held_out=True, seed=0)
    written = [line for line in read_source() if line.verdicts not in HELD_OUT]
    times = Counter(row["completion"] for row in train)
    assert {times[line.text] for line in written if line.language == "ko"} == {3}
    rows = Counter(row["language"] for row in train)
    assert rows["en"] == pytest.approx(rows["ko"], rel=0.2)
    one = [row["prompt"] for row in train if row["completion"] == written[0].text]
    assert len(set(one)) > 1
    assert {row["completion"] for row in held} == {
        line.text for line in read_source() if line.verdicts in HELD_OUT
    }
    assert not times.keys() & {row["completion"] for row in held}


@pytest.mark.slow
def test_without_held_out_cases_unseen_splices_are_evaluated_on():
    train, held = examples(draws=1, splices=0.03, held_out=False, seed=0)
    trained = {row["completion"] for row in train}
    assert {line.text for line in read_source()} < trained
    assert len(held) > 50
    assert not trained & {row["completion"] for row in held}


@pytest.fixture
def rehearsal():
    return Rehearsal(
        matches=2,
        draws=1,
        temperature=0.8,
        top_p=0.9,
        max_tokens=40,
        splices=0.03,
        held_out=True,
        evaluated=None,
        max_length=192,
    )


@pytest.mark.slow
def test_a_rehearsal_keeps_true_lines_and_draws_them_once(rehearsal, parrot, tmp_path):
    rows, held = rehearsal.rows(str(parrot), None, seed=0, folder=tmp_path)
    # The parrot says that it has won by far: true of such an attempt, and in Korean only.
    assert len(rows) >= 4
    assert {row["language"] for row in rows} == {"ko"}
    assert all("lost_by_far" in row["verdicts"] for row in rows)
    assert len({row["prompt"] for row in rows}) > 1
    assert not {tuple(map(Verdict, row["verdicts"])) for row in rows} & HELD_OUT
    assert {tuple(map(Verdict, row["verdicts"])) for row in held} == HELD_OUT
    assert rehearsal.rows("nowhere", None, seed=0, folder=tmp_path) == (rows, held)


@pytest.mark.slow
def test_a_rehearsal_needs_a_model_that_talks(rehearsal, parrot, tmp_path):
    with pytest.raises(OhloraError, match="none of its lines is true and in her voice"):
        replace(rehearsal, matches=1, max_tokens=1).rows(str(parrot), None, seed=0, folder=tmp_path)


@pytest.mark.slow
def test_a_card_tells_every_stage(door, parrot, tmp_path):
    lessons = {"draws": 1, "splices": 0.0, "held_out": False}
    adapter = {"rank": 4, "targets": "all-linear", "trained_whole": []}
    cost = {"steps": 1, "elapsed_s": 60.0, "device": "cpu", "eval_loss": 1.0}
    made = {"command": "python", "commit": "0", "libraries": "torch", "losses": {"loss": [], "eval_loss": []}}
    shape = {"layers": 2, "width": 32, "heads": 2, "inner": 64, "vocab_size": 2500}
    before = {
        "sources": [],
        "shape": shape,
        "parameters": 9,
        "documents": 1,
        "characters": 1,
        "tokens_seen": 1,
    }
    stages = {
        "first": {"stage": "Pretraining", **cost, **made, **before, "bits_a_character": 3.0},
        "second": {"stage": "Fine-tuning", **cost, **made, "lessons": lessons, "adapter": adapter}
        | {"rows": 1, "held_out_rows": 1, "precision": "fp32", "model": "first/model"},
    }
    for name, report in stages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report), encoding="utf-8")
    shutil.copytree(parrot, tmp_path / "second" / "model")
    words = ["fine_tuning=rehearsal", "fine_tuning.model=second/model", "fine_tuning.lessons.matches=1"]
    done = door(FINE_TUNE, *words, *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    kept = len((tmp_path / "run" / "rehearsed.jsonl").read_text(encoding="utf-8").splitlines())
    for words in ("Before fine-tuning", "## Fine-tuning", "## Rehearsal", f"on the {kept} lines"):
        assert words in card


@pytest.mark.slow
def test_the_loss_on_a_cpu_is_trl_s_own(babbler, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from ohlora.narrator.generation import load_tokenizer, turns
    from ohlora.narrator.line_trainer import LineTrainer
    from ohlora.narrator.trainers import recomputing

    rows = [line.row() for line in read_source()[:8]]
    lessons = Dataset.from_list(
        [turns(row["prompt"], row["language"], None, row["completion"]) for row in rows]
    )
    losses = []
    for kind in (SFTTrainer, LineTrainer):
        trainer = kind(
            model=str(babbler),
            args=SFTConfig(
                str(tmp_path),
                use_cpu=True,
                report_to="none",
                completion_only_loss=True,
                **recomputing(SFTConfig, False),
            ),
            train_dataset=lessons,
            eval_dataset=lessons,
            processing_class=load_tokenizer(str(babbler)),
        )
        losses.append(trainer.evaluate()["eval_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.slow
def test_a_voice_is_trained_kept_and_speaks(door, babbler, tmp_path):
    done = door(FINE_TUNE, f"fine_tuning.model={babbler}", *SMALL, "logger=wandb", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Only the line is learned, its end included.
    assert "<assistant>|" in done.stdout
    assert "<end>|" in done.stdout
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 4
    assert report["losses"]["eval_loss"]
    logged = shows(tmp_path / "run", "Voice: fine-tuning")
    assert reported(tmp_path / "run", "Voice: training").summary["steps"] == 4
    assert [one["kind"] for one in logged.config["inputs"]] == ["model"]
    assert "model.safetensors" in logged.artifacts["narrator_model"]["paths"]
    said = door(
        "say",
        "narrator=tiny",
        "paths.narrator=run/model",
        "language=en",
        "verdicts=[draw,won_by_far]",
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stderr
    assert "final: you win" in said.stdout
    assert "Oh-LoRA: " in said.stdout
    assert "refused" in said.stdout, "four steps teach no model to talk"


@pytest.mark.slow
def test_an_adapter_alone_speaks_with_its_model(door, babbler, tmp_path):
    done = door(
        FINE_TUNE,
        "narrator=kanana",
        f"narrator.model={babbler}",
        *SMALL,
        "fine_tuning.adapter.trained_whole=[]",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "<system>" in done.stdout, "the persona goes first"
    assert (tmp_path / "run" / "adapter" / "adapter_model.safetensors").is_file()
    said = door(
        "say",
        "narrator=kanana",
        f"narrator.model={babbler}",
        "narrator.adapter=run/adapter",
        "narrator.device=cpu",
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stderr


@pytest.mark.slow
def test_a_killed_run_goes_on(babbler, door, python, tmp_path):
    told = [f"fine_tuning.model={babbler}", *SMALL, "fine_tuning.schedule.max_steps=40", "seed=3"]
    told[told.index("fine_tuning.schedule.checks=2")] = "fine_tuning.schedule.checks=10"
    process = subprocess.Popen(
        [python, "-m", "ohlora", FINE_TUNE, *told],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("run/checkpoints/checkpoint-8/trainer_state.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    changed = door(FINE_TUNE, *told, "resume=run", "fine_tuning.schedule.learning_rate=0.5", cwd=tmp_path)
    assert changed.returncode == 2
    assert "started with other settings: schedule was" in changed.stderr
    done = door(FINE_TUNE, *told, "resume=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    steps = [step for step, _ in report["losses"]["eval_loss"]]
    assert steps == sorted(steps)
    assert steps[0] == 4, "what was measured before the kill is kept"
    assert report["steps"] == 40


@pytest.mark.slow
def test_two_processes_train_one_model(babbler, python, tmp_path):
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", "-m", "ohlora", FINE_TUNE]
    done = subprocess.run(
        [python, *launcher, f"fine_tuning.model={babbler}", *SMALL, "hardware.device=cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))["processes"] == 2
    assert done.stdout.count("held out, 4 steps") == 1, "one process speaks"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["fine_tuning.bits=3"], r"bits=3 is not one of 4 \| 8, or null"),
        (["fine_tuning.lessons.draws=0"], r"draws=0 is not a whole number from 1 up"),
        (["fine_tuning.schedule.epochs=0"], r"epochs=0 is not a number above 0"),
        (["fine_tuning.bits=4", "fine_tuning.merge=true"], "bits=4 is not null where the model is merged"),
        (
            ["fine_tuning.bits=4", "fine_tuning.merge=false", "hardware.device=cpu"],
            "bits=4 is not null on cpu",
        ),
        (["resume=nowhere"], r"resume=nowhere: no settings\.json there"),
        (["fine_tuning.model=gone"], "no model at gone"),
    ],
)
def test_what_cannot_be_trained_is_said_before_training(composed, babbler, tmp_path, overrides, said):
    cfg = composed("fine_tune", f"fine_tuning.model={babbler}", "hydra.run.dir=run", *SMALL[2:], *overrides)
    cfg.job.output_dir = str(tmp_path)
    with pytest.raises(OhloraError, match=said):
        build(cfg.job).run()


@pytest.mark.slow
def test_a_mistake_is_one_line(door, tmp_path):
    for narrator, said in (
        ("template", "fine_tuning=template is not one of chat_gemma | gemma | kanana | rehearsal | tiny"),
        ("tiny", "fine_tuning.model is missing"),
    ):
        done = door(FINE_TUNE, f"narrator={narrator}", cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_model_is_pretrained_from_a_table(door, tmp_path):
    (tmp_path / "talk.csv").write_text(
        "Q,A\n"
        + "안녕,반가워\n오늘 뭐 해,너랑 놀지\n" * 1
        + "".join(f"질문 {n} 번은 뭐야,대답은 {n * 7} 번이야\n" for n in range(300)),
        encoding="utf-8",
    )
    source = (
        "{_target_:ohlora.narrator.corpus.TextTable,name:talk,licence:CC0-1.0,times:1,"
        f"path:'{tmp_path / 'talk.csv'}',columns:[Q,A],separator:',',quoted:true}}"
    )
    done = door(
        "pretrain",
        f"sources=[{source}]",
        "held_out=0.2",
        "shape.vocab_size=1900",
        "shape.width=32",
        "shape.inner=64",
        "shape.layers=2",
        "shape.heads=2",
        "schedule.batch_size=8",
        "schedule.max_steps=6",
        "schedule.checks=2",
        "hydra.run.dir=run",
        "logger=wandb",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    shows(tmp_path / "run", "Language model: pretraining")
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["documents"] == 242
    assert 0 < report["bits_a_character"] < 12
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "llama"
    assert yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())["seed"] == 0
