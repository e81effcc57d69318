"""A generator's own faces act as rendered ones do: animate, live and battle take either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from ohlora.assets import load_model, save_model
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.acting.person import cast
from ohlora.face.trained.face_bank import BANK_KIND
from ohlora.face.trained.vae import VAE_KIND, FaceVae, VaeSettings
from ohlora.laboratory.measures.screening import ROW
from ohlora.web.live_page import live_face

SIDE = 32
SETTINGS = VaeSettings(
    latent=8,
    style=16,
    mapping_layers=1,
    base=64,
    most_channels=16,
    encoder_widths=(8, 8),
    encoder_hidden=8,
    direct=True,
)


@pytest.fixture(scope="module")
def weights(renderer, tmp_path_factory) -> Path:
    """An untaught generator and a bank of three."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = FaceVae(SETTINGS, renderer.properties, SIDE)
    card = {
        "kind": VAE_KIND,
        "resolution": SIDE,
        "network": vars(SETTINGS),
        "properties": {name: [axis.low, axis.high] for name, axis in renderer.properties.items()},
    }
    save_model(folder, "generator_polished", network.state_dict(), card)
    middle = torch.tensor([axis.at(0.5) for axis in renderer.properties.values()])
    tensors = {
        "latents": torch.randn(3, SETTINGS.latent),
        "bases": middle.expand(3, -1).clone(),
        "thumbnails": torch.zeros(3, 3, SIDE, SIDE, dtype=torch.uint8),
        "first": torch.zeros(3, len(ROW)),
        "second": torch.zeros(3, len(ROW)),
    }
    digest = load_model(folder, "generator_polished", VAE_KIND)[1]["weights"]["sha256"]
    save_model(folder, "bank", tensors, {"kind": BANK_KIND, "generator": digest})
    return folder


@pytest.fixture
def animate(composed, weights, tmp_path):
    def made(*words: str, folder: Path = weights):
        here = (f"paths.face={folder}", f"out={tmp_path / 'x.png'}", "seconds=0.3", "fps=10")
        return build(composed("animate", "drawn_by=network", *here, *words).job)

    return made


def test_faces_of_the_bank_are_filmed(animate, tmp_path, capsys):
    pictures = []
    for face in (0, 1):
        animate(f"face={face}", "mood=surprised").run()
        with Image.open(tmp_path / "x.png") as film:
            assert film.size == (SIDE, SIDE)
            assert film.n_frames == 3
            pictures.append(film.convert("RGB").tobytes())
    assert pictures[0] != pictures[1]
    assert capsys.readouterr().out.count(f"Drawn by a network at {SIDE} px") == 2


@pytest.mark.slow
def test_her_first_frame_does_not_wait_for_lightning():
    """Nor for torchmetrics: three seconds each, and only those who learn and judge need them."""
    heavy = "{'lightning', 'torchmetrics', 'torchvision'}"
    asked = f"import sys, ohlora.face.trained.face_bank; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_she_has_her_own_looks(animate):
    _, person = cast(animate())
    assert person.properties["hair_colour"] == pytest.approx(0.3)
    assert set(person.properties) == {"hair_colour", "hair_length", "background_mean", "background_std"}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("face=3", "face=3 is not in the bank, whose faces are 0 to 2"),
        ("resolution=64", "resolution=64, but the face_generator there is for 32 px: ask for that"),
        ("generator.name=generator_v9", "no face_generator at .*generator_v9"),
    ],
)
def test_what_the_weights_do_not_have(animate, word, told):
    with pytest.raises(OhloraError, match=told):
        animate(word).run()


def test_a_bank_of_another_generator(animate, weights, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in weights.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    tensors, card = load_model(other, "generator_polished", VAE_KIND)
    save_model(other, "generator_polished", {name: value + 1 for name, value in tensors.items()}, card)
    with pytest.raises(OhloraError, match="bank was made with another generator"):
        animate(folder=other).run()


def test_moods_in_other_units_are_refused(animate, weights, tmp_path):
    """As those of a generator of photos are, whose eyes are shares of the face."""
    tensors, card = load_model(weights, "generator_polished", VAE_KIND)
    card["properties"]["eyes"] = [0.0, 0.05]
    save_model(tmp_path / "photos", "generator_polished", tensors, card)
    tensors, card = load_model(weights, "bank", BANK_KIND)
    digest = load_model(tmp_path / "photos", "generator_polished", VAE_KIND)[1]["weights"]["sha256"]
    save_model(tmp_path / "photos", "bank", tensors, {**card, "generator": digest})
    with pytest.raises(OhloraError, match=r"moods ask for eyes .* this generator's are eyes"):
        animate(folder=tmp_path / "photos").run()


def test_the_live_page_and_the_battle_take_it(composed, weights):
    live = build(composed("live", "drawn_by=network", f"paths.face={weights}", "port=0").job)
    about = live_face(live).about()
    assert about["resolution"] == SIDE
    assert f"{SIDE} px" in about["notice"]["en"]
    battle = build(composed("battle", "drawn_by=network", f"paths.face={weights}").job.face)
    assert battle.generator.resolution == SIDE
