"""From converted weights to a film, of every StyleGAN: samples, scores, directions, calibration, bank."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.assets import assets_dir, load_model, save_model
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.acting.film import look
from ohlora.face.acting.person import cast
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.face_bank import load_bank
from ohlora.face.trained.stylegan.acting import DIRECTIONS_KIND, ActingStyleGAN
from ohlora.face.trained.stylegan.calibration import Scale
from ohlora.face.trained.stylegan.layers import Plan
from ohlora.face.trained.stylegan.stylegan1 import StyleGAN1
from ohlora.face.trained.stylegan.stylegan2 import Plan2, StyleGAN2
from ohlora.laboratory.conversion.checkpoint import Source
from ohlora.laboratory.conversion.convert_weights import write
from ohlora.laboratory.networks.labeller import load_labeller
from ohlora.laboratory.sources.face_scores import read_scores, write_scores
from ohlora.web.live_page import live_face

SAMPLES = 160
FACES = 4  # in the bank
CHANNELS = (12, 10, 8)  # 16 px
NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "stylegan1": lambda: StyleGAN1(Plan(10, 0, 0, (24, 16), CHANNELS)),
    "stylegan2": lambda: StyleGAN2(Plan2(12, 0, 0, (24, 16), CHANNELS, None)),
    "stylegan2-ada": lambda: StyleGAN2(Plan2(8, 3, 6, (16, 20), (*CHANNELS, 6), 256.0)),  # labels, 32 px
}


def converted(kind: str, folder: Path) -> Path:
    """A random network as convert-weights leaves it."""
    torch.manual_seed(5)
    network = NETWORKS[kind]()
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.endswith(("torgb.weight", "output2.weight")):
                tensor.mul_(0.3)  # colours inside the picture
            elif name.endswith(("affine.weight", "style.weight")):
                tensor.mul_(0.3)  # no wilder than a trained network's styles
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    clamp = 256.0 if kind == "stylegan2-ada" else None
    return write(Source(tensors, clamp, {"file": f"{kind}.pkl"}), folder / f"{kind}.safetensors")


def scores_of(picture: np.ndarray) -> tuple[float, float, float]:
    """What stands for eyes, mouth and yaw on pictures [rows, columns, 3] of random networks."""
    light = picture.astype(float).mean(axis=2) / 255
    half = len(light) // 2
    return light[:half].mean(), light[half:].mean() ** 2, light[:, half:].mean() - light[:, :half].mean()


def score(folder: Path) -> None:
    """Fill labels.csv in as somebody with a ruler would."""
    found = {
        int(path.stem): scores_of(np.asarray(Image.open(path).convert("RGB")))
        for path in sorted(folder.glob("*.png"))
    }
    write_scores(folder / "labels.csv", ("eyes", "mouth", "yaw"), found)


@pytest.fixture
def chain(face_job):
    """Run the three commands on weights; `words` go to the directions."""

    def run(file: Path, *words: str) -> None:
        here = (f"paths.stylegan={file}",)
        face_job("face_samples", file.parent / "run", *here, f"samples={SAMPLES}", "psi=1").run()
        score(file.with_name(f"{file.stem}_samples"))
        face_job("face_directions", file.parent / "run", *here, "method=ridge", *words).run()
        face_job("face_bank", file.parent / "run", *here, "job.candidates=6", "favourites=[4,0,2,1]").run()

    return run


@pytest.fixture
def made(chain, made_once, tmp_path) -> Path:
    """Weights of a small StyleGAN2 with all that belongs to them, to be changed as a test likes."""

    def make(folder: Path) -> None:
        chain(converted("stylegan2", folder))

    shutil.copytree(made_once("stylegan_chain", make), tmp_path / "made")
    return tmp_path / "made" / "stylegan2.safetensors"


@pytest.fixture
def animate(composed, tmp_path):
    base = build(composed("animate", "drawn_by=stylegan", "paths.stylegan=x.safetensors").job)

    def job(file: Path | str | None):
        made = {
            part: replace(getattr(base, part), file=file and str(file)) for part in ("generator", "person")
        }
        return replace(base, **made, out=str(tmp_path / "x.png"), seconds=0.3, fps=10.0)

    return job


def shown_scores(job, wanted: dict[str, float]) -> np.ndarray:
    """Scores [faces, 3] of the bank's people when this is asked of them, all else in the middle."""
    axes = job.expressions.axes
    state = np.array([wanted.get(name, axes[name].at(0.5)) for name in axes])
    rows = []
    for face in range(FACES):
        generator, person = cast(job, face)
        (picture,) = look(generator, person, [state], [0.0], job.ombre)
        rows.append(scores_of(picture))
    return np.array(rows)


def scales_of(job) -> dict[str, Scale]:
    generator, _ = cast(job)
    assert isinstance(generator, ActingStyleGAN)
    return generator.scales


def acts(job) -> None:
    """Asked for the most instead of the least, pictures read more: on average by a third of the curve."""
    scales = scales_of(job)
    for column, (name, low, high) in enumerate([("eyes", 0, 1), ("mouth", 0, 1), ("yaw", -0.6, 0.6)]):
        less, more = (shown_scores(job, {name: value})[:, column] for value in (low, high))
        least, most = scales[name].curve.readings[[0, -1]].tolist()
        assert (more - less).mean() > (most - least) / 3, name


@pytest.mark.slow
def test_a_stylegan_s_people_act(made, animate, tmp_path, composed):
    job = animate(made)
    acts(job)
    job.run()
    with Image.open(tmp_path / "x.png") as film:
        assert film.size == (16, 16)
        assert getattr(film, "n_frames", 1) == 3
    live = build(composed("live", "drawn_by=stylegan", f"paths.stylegan={made}", "port=0").job)
    about = live_face(live).about()
    assert set(about["properties"]) == {"eyes", "mouth", "yaw"}  # no slider for what does not show
    battle = build(composed("battle", "drawn_by=stylegan", f"paths.stylegan={made}").job.face)
    assert battle.generator.resolution == 16


def test_what_was_asked_for_is_what_is_read(made, animate):
    """Mid-range wishes, which are inside every curve, within a fifth of the curve's length on average."""
    job = animate(made)
    scale = scales_of(job)["eyes"]
    low, high = scale.curve.readings[[0, -1]].tolist()
    read = shown_scores(job, {"eyes": 0.7})[:, 0]
    assert abs(read.mean() - (low + 0.7 * (high - low))) < 0.2 * (high - low)


def test_sampling_goes_on_and_leaves_scores_alone(made, face_job):
    folder = made.with_name("stylegan2_samples")
    before, picture = (folder / "labels.csv").read_text(), (folder / "000007.png").read_bytes()
    (folder / "000007.png").unlink()
    here = (f"paths.stylegan={made}", "psi=1")
    face_job("face_samples", made.parent / "again", *here, f"samples={SAMPLES}").run()
    assert (folder / "labels.csv").read_text() == before
    assert (folder / "000007.png").read_bytes() == picture
    with pytest.raises(OhloraError, match=r"has faces of other weights or with psi=1 job.seed=0"):
        face_job("face_samples", made.parent / "x", f"paths.stylegan={made}", "psi=0.5").run()


def without(what: str):
    def change(file: Path) -> None:
        for path in file.parent.glob(f"{file.stem}{what}*"):
            if path.is_file():
                path.unlink()

    return change


def damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def foreign(file: Path) -> None:
    tensors, card = load_model(file.parent, file.stem, "stylegan2")
    save_model(file.parent, file.stem, tensors, {**card, "kind": "face_segmenter"})


def of_other_weights(file: Path) -> None:
    tensors, card = load_model(file.parent, file.stem, "stylegan2")
    name = "synthesis.b4.const"
    save_model(file.parent, file.stem, {**tensors, name: tensors[name] + 1}, card)


def without_calibration(file: Path) -> None:
    name = f"{file.stem}_directions"
    tensors, card = load_model(file.parent, name, DIRECTIONS_KIND)
    tensors.pop("readings")
    save_model(file.parent, name, tensors, card)


def with_other_directions(file: Path) -> None:
    name = f"{file.stem}_directions"
    tensors, card = load_model(file.parent, name, DIRECTIONS_KIND)
    save_model(file.parent, name, {**tensors, "moves": tensors["moves"] * -1}, card)


@pytest.mark.parametrize(
    ("change", "told", "command"),
    [
        (without(""), "no stylegan2 at", "python -m ohlora convert-weights"),
        (damaged, "is damaged or not safetensors", "python -m ohlora convert-weights"),
        (foreign, "is of kind=face_segmenter", "python -m ohlora convert-weights"),
        (without("_directions"), "no stylegan_directions at", "model=face_directions paths.stylegan="),
        (of_other_weights, "were found in other weights", "model=face_directions paths.stylegan="),
        (without_calibration, "directions is damaged", "model=face_directions paths.stylegan="),
        (without("_bank"), "no faces at", "model=face_bank paths.stylegan="),
        (with_other_directions, "was made with other directions", "model=face_bank paths.stylegan="),
    ],
)
def test_what_is_missing_names_the_command_that_makes_it(change, told, command, made, animate):
    change(made)
    with pytest.raises(OhloraError) as error:
        cast(animate(made))
    assert told in str(error.value)
    assert command in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (None, "no file; paths.stylegan=FILE.safetensors names one, python -m ohlora convert-weights"),
        ("ffhq.pkl", "not a .safetensors file; python -m ohlora convert-weights"),
    ],
)
def test_a_file_that_cannot_be_it_is_told_before_anything_loads(file, told, animate):
    with pytest.raises(OhloraError, match=told):
        animate(file)


def test_directions_need_samples_and_their_scores(made, face_job):
    here = (f"paths.stylegan={made}", "method=ridge")
    folder = made.with_name("stylegan2_samples")
    write_scores(folder / "labels.csv", ("eyes", "mouth"), dict.fromkeys(range(SAMPLES)))
    with pytest.raises(OhloraError, match=r"labels.csv: eyes is missing; mouth is missing"):
        face_job("face_directions", made.parent / "x", *here).run()
    shutil.rmtree(folder)
    with pytest.raises(OhloraError, match=r"samples.json is missing .*model=face_samples paths.stylegan="):
        face_job("face_directions", made.parent / "x", *here).run()


def test_a_bank_shows_the_nod_that_she_will_have(made, face_job, animate):
    """Moods ask for pitch too: those who are chosen are seen, and ranked, at its rest."""
    folder = made.with_name("stylegan2_samples")
    rows = {}
    for number in range(SAMPLES):
        with Image.open(folder / f"{number:06d}.png") as picture:
            eyes, mouth, yaw = scores_of(np.asarray(picture.convert("RGB")))
        rows[number] = (eyes, mouth, yaw, eyes - mouth)
    write_scores(folder / "labels.csv", ("eyes", "mouth", "yaw", "pitch"), rows)
    here = (f"paths.stylegan={made}",)
    face_job("face_directions", made.parent / "x", *here, "method=ridge").run()
    face_job("face_bank", made.parent / "x", *here, "job.candidates=6").run()
    generator, _ = cast(animate(made))
    assert "pitch" in generator.properties
    sha256 = load_model(made.parent, made.stem, "stylegan2")[1]["weights"]["sha256"]
    bank = load_bank(made.parent, f"{made.stem}_bank", sha256)
    drawn = to_uint8(generator.synthesis(generator.mapping(bank.latents, bank.bases)))
    assert torch.equal(drawn, bank.thumbnails)


def test_a_parser_of_another_kind_is_refused(made):
    with pytest.raises(OhloraError, match=r"is of kind=stylegan2; expected face_regressor \| face_segmenter"):
        load_labeller(str(made))


def test_somebody_who_is_not_in_the_bank(made, animate):
    with pytest.raises(OhloraError, match="face=4 is not in the bank, whose faces are 0 to 3"):
        cast(animate(made), 4)


@pytest.mark.slow
def test_a_parser_fills_the_scores_in(made, face_job):
    """Those of the pictures as the network draws them, not of the saved ones."""
    folder = made.with_name("stylegan2_samples")
    shutil.rmtree(folder)
    parser = assets_dir() / "face" / "regressor_a.safetensors"
    words = (f"paths.stylegan={made}", "psi=1", "samples=40", f"parser={parser}")
    face_job("face_samples", made.parent / "x", *words).run()
    scores = read_scores(folder / "labels.csv", 40)
    images = torch.stack(
        [torch.from_numpy(np.array(Image.open(folder / f"{n:06d}.png"))).permute(2, 0, 1) for n in range(40)]
    )
    labeller = load_labeller(str(parser))
    assert scores.names == labeller.names
    np.testing.assert_allclose(scores.values, labeller.measure(images).numpy(), rtol=1e-3, atol=1e-4)
    face_job("face_samples", made.parent / "x", *words[:2], "samples=50", words[3]).run()
    again = read_scores(folder / "labels.csv", 50)
    np.testing.assert_array_equal(again.values[:40], scores.values)


@pytest.mark.slow
def test_another_parser_scores_again(made, face_job):
    """Its scores take the place of the other's; those that somebody wrote are left alone."""
    folder = made.with_name("stylegan2_samples")
    words = (f"paths.stylegan={made}", "psi=1", "samples=40")
    regressors = [f"parser={assets_dir() / 'face' / f'regressor_{one}.safetensors'}" for one in "ab"]
    with pytest.raises(OhloraError, match=r"has scores of somebody else"):
        face_job("face_samples", made.parent / "x", *words, regressors[0]).run()
    shutil.rmtree(folder)
    told = []
    for parser in (*regressors, regressors[0]):
        face_job("face_samples", made.parent / "x", *words, parser).run()
        told.append((folder / "labels.csv").read_text())
    assert told[0] == told[2] != told[1]
    write_scores(folder / "labels.csv", ("eyes", "mouth"), {0: (0.5, 0.5)})
    with pytest.raises(OhloraError, match=r"has scores of somebody else"):
        face_job("face_samples", made.parent / "x", *words, regressors[1]).run()


def test_a_parser_of_renders_is_warned_of(capfd):
    load_labeller(str(assets_dir() / "face" / "segmenter_a.safetensors"))
    assert "learned from rendered faces: off photos" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "space"), [("stylegan1", "w"), ("stylegan2", "z"), ("stylegan2-ada", "style")]
)
def test_every_kind_and_every_space(kind, space, chain, animate, tmp_path):
    file = converted(kind, tmp_path)
    chain(file, f"latent_space={space}")
    acts(animate(file))
