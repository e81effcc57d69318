"""The renderer passes its own test; generators with one fault each fail for that fault."""

from __future__ import annotations

import shutil

import pytest
import torch
from PIL import Image

from ohlora.assets import save_model
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.trained.face_bank import BANK_KIND, load_bank
from ohlora.face.trained.vae import load_generator
from ohlora.laboratory.measures.screening import MOVED, ROW, ScreeningReport, examine, sheet
from ohlora.laboratory.measures.settings import Screening


@pytest.fixture(scope="module")
def screenings(composed) -> dict[str, Screening]:
    return {
        name: build(composed("train", "model=face_bank", f"screening={name}").screening)
        for name in ("upstream", "strict")
    }


class Painted:
    """Shows eyes, mouth and roll as three grey bars over a wall; `shift` makes the wall follow the mouth."""

    latent_dim, resolution = 2, 16

    def __init__(self, properties, gain: float = 1.0, shift: float = 0.0) -> None:
        self.properties, self.gain, self.shift = properties, gain, shift

    def mapping(self, latents, properties):
        return properties

    def synthesis(self, w):
        columns = [list(self.properties).index(name) for name in MOVED]
        position = torch.stack(
            [
                (w[:, c] - self.properties[n].low) / (self.properties[n].high - self.properties[n].low)
                for n, c in zip(MOVED, columns, strict=True)
            ],
            dim=1,
        )
        image = torch.zeros(len(w), 3, 16, 16) + self.shift * position[:, 1, None, None, None]
        for i in range(3):
            image[:, :, 4 * i : 4 * i + 4, :8] = (self.gain * (2 * position[:, i] - 1)).view(-1, 1, 1, 1)
        return image.clamp(-1, 1)

    def measure(self, images):
        told = torch.zeros(len(images), len(self.properties))
        for i, name in enumerate(MOVED):
            axis = self.properties[name]
            level = images[:, 0, 4 * i : 4 * i + 4, :8].float().mean((1, 2)) / 255
            told[:, list(self.properties).index(name)] = axis.low + level * (axis.high - axis.low)
        return told

    @staticmethod
    def label_maps(images):
        maps = torch.full((len(images), 16, 16), classes.SKIN, dtype=torch.uint8)
        maps[:, :, 8:] = classes.BACKGROUND
        return maps


@pytest.fixture
def report(renderer):
    def of(quality=None, **faults) -> ScreeningReport:
        painted = Painted(renderer.properties, **faults)
        base = torch.tensor([axis.at(0.5) for axis in renderer.properties.values()])
        return examine(painted, painted.measure, painted.label_maps, torch.zeros(2), base, quality)  # type: ignore[arg-type]

    return of


def test_a_sheet_has_every_combination_and_leaves_the_rest(renderer):
    base = torch.tensor([axis.at(0.3) for axis in renderer.properties.values()])
    asked = sheet(renderer.properties, base)
    assert asked.shape == (50, 8)
    assert len({tuple(row.tolist()) for row in asked}) == 50
    for i, (name, axis) in enumerate(renderer.properties.items()):
        if name in MOVED:
            assert float(asked[:, i].min()) == pytest.approx(axis.at(0.05), abs=1e-6)
            assert float(asked[:, i].max()) == pytest.approx(axis.at(0.95), abs=1e-6)
        else:
            assert torch.equal(asked[:, i], base[i].expand(50))


def test_who_obeys_passes_both(report, screenings):
    told = report()
    assert all(told.r[name] > 0.99 for name in MOVED)
    for screening in screenings.values():
        assert told.faults(screening) == []
    assert len(told.row) == len(ROW)


def test_half_the_movement_passes_the_original_alone(report, screenings):
    told = report(gain=0.5)
    assert told.faults(screenings["upstream"]) == []
    assert len(told.faults(screenings["strict"])) == 3
    assert "eyes slope 0.50 outside 0.8 to 1.2" in told.faults(screenings["strict"])


def test_the_wrong_way_passes_none(report, screenings):
    """The original took the absolute correlation; a mouth that closes when it should open is no obedience."""
    assert len(report(gain=-1.0).faults(screenings["upstream"])) == 3


def test_a_background_that_follows_the_mouth_is_told(report, screenings):
    told = report(shift=0.5)
    assert told.faults(screenings["upstream"]) == []
    assert any("background change" in fault for fault in told.faults(screenings["strict"]))


def test_one_bad_picture_spoils_the_sheet(report, screenings):
    told = report(quality=lambda images: torch.linspace(0.2, 1, len(images)))
    assert told.quality == pytest.approx(0.2)
    assert told.faults(screenings["strict"]) == ["quality 0.20 below 0.5"]


def test_a_bank_is_for_its_generator_alone(tmp_path):
    tensors = {
        "latents": torch.zeros(3, 2),
        "bases": torch.ones(3, 8),
        "thumbnails": torch.zeros(3, 3, 4, 4, dtype=torch.uint8),
        "first": torch.zeros(3, len(ROW)),
        "second": torch.zeros(3, len(ROW)),
    }
    save_model(tmp_path, "bank", tensors, {"kind": BANK_KIND, "generator": "abc"})
    bank = load_bank(tmp_path, "bank", "abc")
    assert len(bank) == 3
    latent, base = bank.face(2)
    assert torch.equal(latent, torch.zeros(2))
    assert torch.equal(base, torch.ones(8))
    with pytest.raises(OhloraError, match="made with another generator"):
        load_bank(tmp_path, "bank", "other")
    for number in (3, -1, "x"):
        with pytest.raises(OhloraError, match=f"face={number} is not in the bank, whose faces are 0 to 2"):
            bank.face(number)


@pytest.mark.slow
def test_anybody_may_choose_among_those_who_pass(face_job, taught, tmp_path):
    face_job("face_vae", tmp_path, f"paths.face={taught}", f"save_to={tmp_path}", "job.watched=8").run()
    for path in taught.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    easy = (
        "generator=generator_ours",
        "screening.least_r={eyes:-1,mouth:-1,roll:-1}",
        "job.candidates=4",
        f"paths.face={tmp_path}",
    )
    kept = {}
    for name, words in {"all": (), "two": ("favourites=[3,1]",)}.items():
        folder = tmp_path / name
        assert face_job("face_bank", folder, *easy, *words, f"save_to={folder}").run() == 1
        sha256 = load_generator(tmp_path, "generator_ours").card["weights"]["sha256"]
        kept[name] = load_bank(folder, "bank", sha256)
        with Image.open(folder / "bank.png") as picture:
            assert picture.width == len(kept[name]) * 34
        with Image.open(folder / "passed.png") as picture:
            assert picture.width == 4 * 34
    assert len(kept["all"]) == 4
    assert torch.equal(kept["two"].latents, kept["all"].latents[[3, 1]])
    assert torch.equal(kept["two"].second, kept["all"].second[[3, 1]])
    second, best = kept["all"].first[:, ROW.index("r_eyes")].sort().values[-2:].tolist()
    one = (*easy, f"screening.least_r.eyes={(second + best) / 2}")
    with pytest.raises(
        OhloraError, match=r"favourites=\[3\] are not among those who pass, 0 to 0: .*passed\.png"
    ):
        face_job("face_bank", tmp_path / "x", *one, "favourites=[0,3]", f"save_to={tmp_path}").run()
    assert (tmp_path / "x" / "passed.png").is_file()
