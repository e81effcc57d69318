"""Whole matches through the real battle.py, with the shipped models, on digits."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.offline_runs import shows
from tests.reported import reported

pytestmark = pytest.mark.slow
Door = Callable[..., "subprocess.CompletedProcess[str]"]
QUICK = ["dataset=digits", "subset.seed=1000003", "paths.output_dir=out"]
PLAIN = ["size=smoke", "face=none", "narrator=template"]  # her model and her face are in the first two


def only_match(folder: Path) -> tuple[Path, dict]:
    (path,) = folder.glob("out/battle/*/match.json")
    return path.parent, json.loads(path.read_text(encoding="utf-8"))


def test_a_human_plays_to_the_end(door: Door, tmp_path: Path) -> None:
    done = door("battle.py", "human=my_hp", "language=en", "logger=wandb", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run, match = only_match(tmp_path)
    logged = shows(run, "Matches")
    assert reported(run, "Matches").summary["winner"] == match["winner"]
    assert {one["name"] for one in logged.config["inputs"]} >= {"hp_predictor", "narrator"}
    assert set(logged.history) >= {"predicted_f1", "challenger_2/val_f1", "ohlora"}
    assert {
        "dataset",
        "subset",
        "rules",
        "attempts",
        "winner",
        "predicted_f1",
        "line",
        "commit",
    } <= match.keys()
    assert [a["kind"] for a in match["attempts"]] == ["ohlora", "human", "human"]
    assert match["rules"] == "house"
    own, best = match["attempts"][0]["test_f1"], max(a["test_f1"] for a in match["attempts"][1:])
    assert match["winner"] == ("challenger" if best > own else "draw" if best == own else "ohlora")
    text = match["seal"]["salt"] + json.dumps(match["attempts"][0]["params"], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == match["seal"]["sha256"]
    assert match["seal"]["sha256"][:12] in done.stdout
    assert match["line"] in " ".join(done.stdout.split()) or match["line"][:20] in done.stdout
    for attempt in match["attempts"]:
        assert f"{attempt['test_f1']:.3f}" in done.stdout
    for name in ("curves.png", "contact_sheet.png"):
        with Image.open(run / name) as picture:
            assert picture.size[0] > 200
    for name, side in {"ohlora.png": 512, "ohlora.gif": 256}.items():
        with Image.open(run / name) as picture:
            assert picture.size == (side, side)
    # Her choice is sealed before anything is trained, and no test score is told before the last training.
    assert done.stdout.index("sealed") < done.stdout.index("training attempt")
    assert f"{own:.3f}" not in done.stdout[: done.stdout.rindex("training attempt")]


def test_korean_and_one_attempt(door: Door, tmp_path: Path) -> None:
    done = door(
        "battle.py", "human=my_hp", "human.second=null", "language=ko", "size=smoke", *QUICK, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    _, match = only_match(tmp_path)
    assert len(match["attempts"]) == 2
    assert any("가" <= letter <= "힣" for letter in match["line"])
    assert match["narration"].keys() == {"refused", "written"}
    assert "하이퍼파라미터 배틀" in done.stdout


def test_the_same_subset_gives_the_same_match(door: Door, tmp_path: Path) -> None:
    scores = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert door("battle.py", "human=my_hp", *PLAIN, *QUICK, cwd=folder).returncode == 0
        scores.append([(a["val_f1"], a["test_f1"]) for a in only_match(folder)[1]["attempts"]])
    assert scores[0] == scores[1]


@pytest.mark.parametrize("challenger", ["optuna", "random", "static"])
def test_machines_play_by_fair_rules(door: Door, tmp_path: Path, challenger: str) -> None:
    trials = [] if challenger == "static" else ["challenger.trials=2"]
    done = door("battle.py", f"challenger={challenger}", *trials, *PLAIN, "language=en", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    _, match = only_match(tmp_path)
    assert match["rules"] == "fair"
    assert [a["kind"] for a in match["attempts"]] == ["ohlora", challenger]


def test_asked_in_the_terminal(door: Door, tmp_path: Path) -> None:
    typed = "\n" * 11 + "0.1\n" + "\n" * 10
    words = ("human=prompt", "language=en", *PLAIN)
    done = door("battle.py", *words, *QUICK, cwd=tmp_path, typed=typed)
    assert done.returncode == 0, done.stderr
    _, match = only_match(tmp_path)
    assert match["attempts"][2]["params"]["dropout_conv_early"] == 0.1
    assert "Rules card" in done.stdout
    assert f"{match['attempts'][1]['val_f1']:.3f}" in done.stdout


def test_without_data_and_network_it_plays_on_digits(door: Door, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    done = door(
        "battle.py",
        "human=my_hp",
        "dataset=mnist",
        *PLAIN,
        "language=en",
        "paths.output_dir=out",
        cwd=tmp_path,
        OHLORA_DATA=str(empty),
        # A proxy nobody serves: what a machine without a network looks like.
        http_proxy="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9",
    )
    assert done.returncode == 0, done.stderr
    assert "playing on digits instead" in done.stdout
    assert only_match(tmp_path)[1]["dataset"]["name"] == "digits"


def test_a_folder_of_pictures(door: Door, tmp_path: Path) -> None:
    for label in range(3):
        place = tmp_path / "shots" / f"kind{label}"
        place.mkdir(parents=True)
        for i in range(24):
            colour = [30 * i % 255, 40, 200]
            colour[label] = 255
            Image.new("RGB", (20 + i, 26), tuple(colour)).save(place / f"{i}.png")
    done = door(
        "battle.py", "human=my_hp", "dataset=folder", "dataset.root=shots", "subset=none", *PLAIN,
        "language=en", "paths.output_dir=out", "subset.save=seen", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert only_match(tmp_path)[1]["dataset"]["title"] == "folder shots"
    seen = [path.relative_to(tmp_path / "seen").parts for path in (tmp_path / "seen").rglob("*.png")]
    assert len(seen) == 72
    assert {parts[0] for parts in seen} == {"train", "val", "test"}
    assert {parts[1] for parts in seen} == {"kind0", "kind1", "kind2"}


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "human.first.learning_rate=9": "learning_rate=9 is outside 2e-05 to 0.05",
            "face=termnal": "face=termnal is not one of none | files | terminal (did you mean terminal?)",
            "language=fr": "language=fr is not one of ko | en",
            "subset.seed=-1": "subset.seed=-1 is not a whole number from 0 to",
        },
        {"challenger=optuna": "", "challenger.sampler=tpx": "challenger.sampler=tpx is not one of"},
        {"paths.predictor=nowhere": "no ohlora.hp_predictor at nowhere"},
    ],
)
def test_bad_input_is_one_line_before_any_training(door: Door, tmp_path: Path, wrong: dict[str, str]) -> None:
    done = door("battle.py", "dataset=digits", "paths.output_dir=out", *wrong, cwd=tmp_path)
    assert done.returncode == 2
    for message in wrong.values():
        assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "training attempt" not in done.stdout
