"""Trained models on disk: what is written comes back, anything else is refused in one line."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ohlora.assets import FORMAT, assets_dir, load_model, save_model
from ohlora.errors import OhloraError

CARD = {"kind": "encoder", "dataset": "숫자", "scores": {"psnr": 21.5}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(tmp_path, "good", {"weight": torch.arange(6.0).view(2, 3).T, "step": torch.tensor(7)}, CARD)
    return tmp_path


def test_what_is_written_comes_back(saved: Path) -> None:
    tensors, card = load_model(saved, "good", "encoder")
    assert torch.equal(tensors["weight"], torch.arange(6.0).view(2, 3).T)
    assert tensors["step"].dtype == torch.int64
    assert {key: card[key] for key in CARD} == CARD
    assert card["format"] == FORMAT
    assert {"command", "commit", "date", "libraries", "weights"} <= card.keys()
    assert sorted(path.name for path in saved.iterdir()) == ["good.json", "good.safetensors"]


def test_the_command_says_what_was_typed_but_not_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["/home/me/train.py", "model=autoencoder", "paths.output_dir=/home/me", "hydra.run.dir=/tmp/x"]
    typed.append(f"save_to={tmp_path / 'mine'}")
    monkeypatch.setattr("sys.argv", typed)
    for spec, program in ((None, "train.py"), (SimpleNamespace(name="ohlora.train"), "-m ohlora.train")):
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
        save_model(tmp_path, "a", {}, CARD)
        assert load_model(tmp_path, "a", "encoder")[1]["command"] == (
            f"python {program} model=autoencoder save_to=mine"
        )


def truncate(folder: Path) -> None:
    path = folder / "good.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def change_a_weight(folder: Path) -> None:
    path = folder / "good.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def pickle_instead(folder: Path) -> None:
    (folder / "good.safetensors").write_bytes(pickle.dumps({"weight": [1.0]}))


def edit(**changes: object):
    def apply(folder: Path) -> None:
        path = folder / "good.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return apply


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "good.json").unlink(), "good.json missing"),
        (lambda folder: (folder / "good.safetensors").unlink(), "good.safetensors missing"),
        (lambda folder: (folder / "good.json").write_text("{"), "expected the JSON card"),
        (lambda folder: (folder / "good.json").write_bytes(b"\xff\xfe"), "expected the JSON card"),
        (lambda folder: (folder / "good.json").write_text("[1]"), "not a model's card"),
        (lambda folder: (folder / "good.json").write_text("[" * 10**5), "expected the JSON card"),
        (edit(kind="predictor"), "is of kind=predictor; expected kind=encoder"),
        (edit(format=99), "has format=99; expected 1"),
        (edit(weights=None), "not the file its card"),
        (truncate, "damaged or not safetensors"),
        (change_a_weight, "not the file its card"),
        (pickle_instead, "damaged or not safetensors"),
    ],
)
def test_anything_else_is_refused(saved: Path, harm, told: str) -> None:
    harm(saved)
    with pytest.raises(OhloraError, match=told):
        load_model(saved, "good", "encoder")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    save_model(tmp_path, "bad", {"fine": torch.ones(2), "weight": torch.tensor([1.0, value])}, CARD)
    with pytest.raises(OhloraError, match="values that are not finite: weight"):
        load_model(tmp_path, "bad", "encoder")


def test_a_misspelt_name_brings_the_nearest(saved: Path) -> None:
    with pytest.raises(OhloraError, match=r"did you mean good\?"):
        load_model(saved, "god", "encoder")


def test_shipped_models_stay_small() -> None:
    """The whole of them travels with every installation."""

    def size(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    assert size(assets_dir() / "face") < 30e6
    assert size(assets_dir() / "chat" / "gemma") < 8e6
    assert size(assets_dir() / "chat") - size(assets_dir() / "chat" / "gemma") < 14e6
    assert size(assets_dir() / "narrator_gemma") < 4e6
    apart = ("face", "chat", "narrator_gemma")
    assert size(assets_dir()) - sum(size(assets_dir() / name) for name in apart) < 30e6
