"""Pretraining and fine-tuning through their real doors, on a model made here."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import yaml
from hydra.utils import instantiate

from ohlora.errors import OhloraError
from ohlora.narrator.training import HELD_OUT, examples, is_true, read_source, spliced

FINE_TUNE = "ohlora.narrator.fine_tune"
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


def test_without_held_out_cases_unseen_splices_are_evaluated_on():
    train, held = examples(draws=1, splices=0.03, held_out=False, seed=0)
    trained = {row["completion"] for row in train}
    assert {line.text for line in read_source()} < trained
    assert len(held) > 50
    assert not trained & {row["completion"] for row in held}


def test_the_loss_on_a_cpu_is_trl_s_own(babbler, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from ohlora.narrator.language_model import load_tokenizer, turns
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
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    said = door(
        "ohlora.narrator.say",
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
        "ohlora.narrator.say",
        "narrator=kanana",
        f"narrator.model={babbler}",
        "narrator.adapter=run/adapter",
        "narrator.device=cpu",
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stderr


@pytest.mark.slow
def test_a_killed_run_goes_on(babbler, door, tmp_path):
    told = [f"fine_tuning.model={babbler}", *SMALL, "fine_tuning.schedule.max_steps=40", "seed=3"]
    told[told.index("fine_tuning.schedule.checks=2")] = "fine_tuning.schedule.checks=10"
    process = subprocess.Popen(
        [sys.executable, "-m", FINE_TUNE, *told],
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
def test_two_processes_train_one_model(babbler, tmp_path):
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", "-m", FINE_TUNE]
    done = subprocess.run(
        [sys.executable, *launcher, f"fine_tuning.model={babbler}", *SMALL, "hardware.device=cpu"],
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
        (
            ["fine_tuning.bits=3", "fine_tuning.lessons.draws=0"],
            r"bits=3 is not null \| 4 \| 8.*lessons.draws=0 is not 1 or more",
        ),
        (["fine_tuning.bits=4", "hardware.device=cpu"], "bits=4 is not null on cpu"),
        (["resume=nowhere"], r"resume=nowhere: no settings\.json there"),
        (["fine_tuning.model=gone"], "no model at gone"),
    ],
)
def test_what_cannot_be_trained_is_said_before_training(composed, babbler, tmp_path, overrides, said):
    cfg = composed("narrate", f"fine_tuning.model={babbler}", "hydra.run.dir=run", *SMALL[2:], *overrides)
    cfg.job.output_dir = str(tmp_path)
    with pytest.raises(OhloraError, match=said):
        instantiate(cfg.job, _convert_="all").run()


@pytest.mark.slow
def test_a_mistake_is_one_line(door, tmp_path):
    for narrator, said in (
        ("template", "fine_tuning=template is not one of kanana | tiny"),
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
        "ohlora.narrator.pretrain",
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
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["documents"] == 242
    assert 0 < report["bits_a_character"] < 12
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "llama"
    assert yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())["seed"] == 0
