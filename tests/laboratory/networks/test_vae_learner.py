from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from ohlora.assets import load_model
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.trained.vae import VAE_KIND, FaceVae, VaeGenerator, VaeSettings, load_generator
from ohlora.laboratory.networks.attributes import Ensemble, Judge
from ohlora.laboratory.networks.discriminator import Discriminator
from ohlora.laboratory.networks.identity import Embedder
from ohlora.laboratory.networks.obedience import draw
from ohlora.laboratory.networks.original import ConcatDiscriminator, MixedScene
from ohlora.laboratory.networks.regressor import Regressor
from ohlora.laboratory.networks.segmenter import Segmenter, UNet
from ohlora.laboratory.networks.settings import IdentitySettings, PictureSettings, TrunkSettings
from ohlora.laboratory.networks.vae_learner import (
    ADVERSARIAL,
    NEEDS,
    TERMS,
    Scene,
    Teachers,
    VaeLearner,
    Watch,
    widen_prior,
)
from ohlora.laboratory.networks.variants import Variant

SHAPE = VaeSettings(
    latent=16,
    style=32,
    mapping_layers=2,
    base=1024,
    most_channels=48,
    encoder_widths=(16, 32, 48),
    encoder_hidden=64,
    direct=True,
)
LESSON = {
    "ema": 0.9,
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "total_steps": 60,
    "seed": 0,
}


@pytest.fixture(scope="module")
def teachers(renderer) -> Teachers:
    torch.manual_seed(0)
    names = tuple(renderer.properties)
    card = {"resolution": 32, "properties": names, "mean": [0.4] * 8, "std": [0.3] * 8}
    trunk = TrunkSettings((4, 8), 8).build(names, 32, None).eval().requires_grad_(False)
    return Teachers(
        Segmenter(UNet(4).eval().requires_grad_(False), card),
        Regressor(trunk, card),
        Judge(Ensemble([PictureSettings((4, 8), 8, 0.0).build(None)]).eval().requires_grad_(False), card),
        Embedder(IdentitySettings((4, 8), 8, 4).build(32).eval().requires_grad_(False), card),
    )


@pytest.fixture(scope="module")
def variants(composed):
    def made(name: str) -> Variant:
        return build(composed("train", "model=face_vae", f"variant={name}").variant)

    return made


@pytest.fixture
def learner(renderer, teachers, variants):
    def build(variant: Variant | None = None) -> VaeLearner:
        torch.manual_seed(0)
        variant = variant or variants("ours")
        vae = variant.network(SHAPE, renderer.properties, 32)
        return variant.learner(vae, teachers, tuple(renderer.properties), **LESSON)

    return build


def scene_of(learner, batch, seed=0) -> Scene:
    return Scene(learner, batch, torch.Generator().manual_seed(seed))


@pytest.mark.slow
def test_one_batch_can_be_learned_by_heart(learner, variants, batch, overfits):
    told = {"reconstruction": 1.0, "counterfactual": 1.0, "masks": 0.2, "counterfactual_masks": 0.2}
    overfits(learner(replace(variants("ours"), losses=told)), batch, steps=90, left=0.25, lr=6e-3)


@pytest.mark.parametrize("name", TERMS)
def test_every_term_is_finite_and_teaches(name, learner, variants, batch):
    one = learner(replace(variants("ours"), losses={name: 1.0}, kl_warm_up=0.0, free_bits=0.0)).train()
    parts = one.losses(batch, torch.Generator().manual_seed(0))
    assert float(parts["loss"].detach()) == pytest.approx(float(parts[name].detach()))
    assert torch.isfinite(parts["loss"])
    parts["loss"].backward()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in one.network.parameters())


def test_the_twin_is_compared_with_the_twin(learner, batch):
    """Were counterfactuals compared with the original, this would say so."""
    one = learner().eval()
    scene = scene_of(one, batch)
    half = len(batch) // 2
    assert torch.equal(scene.twin_maps, batch.label_maps[half:])
    assert torch.equal(scene.twin_asked, batch.properties[half:])
    conditions = one.network.conditions(batch.properties[half:])
    assert torch.equal(scene.altered[0], one.network.decoder(scene.latents, conditions)[0])


def test_samples_are_asked_for_what_the_term_expects(learner, batch):
    one = learner().eval()
    scene = scene_of(one, batch)
    asked = one.network.conditions(scene.sample_asked)
    assert torch.equal(scene.sample_conditions, asked)
    assert not torch.equal(scene.sample_asked, scene.twin_asked)


def test_samples_may_be_fewer_than_faces(learner, variants, batch):
    one = learner(replace(variants("ours"), sample_share=0.25)).eval()
    scene = scene_of(one, batch)
    assert len(scene.samples[0]) == len(scene.sample_asked) == len(scene.asked) // 4


def test_style_mixing_changes_some_faces_and_only_by_later_layers(learner, batch):
    one = learner().eval()
    mixed = MixedScene(one, batch, torch.Generator().manual_seed(0), mixing=0.5).samples[0]
    plain = scene_of(one, batch).samples[0]
    changed = (plain != mixed).flatten(1).any(1)
    assert 0 < changed.sum() < len(changed)


def test_a_variant_hears_only_of_its_conditions(learner, variants, batch, renderer):
    one = learner(variants("v4")).eval()
    scene = scene_of(one, batch)
    named = torch.tensor([name in ("eyes", "mouth", "roll") for name in renderer.properties])
    assert (scene.conditions[:, ~named] == 0).all()
    assert scene.conditions[:, named].abs().max() > 0.5


def test_only_what_a_variant_trains_learns(learner, variants):
    one = learner(variants("v3"))
    learning = {name for name, weight in one.network.named_parameters() if weight.requires_grad}
    assert learning
    assert all(name.startswith(("encoder", "decoder.map")) for name in learning)
    assert any(name.startswith("decoder.map") for name in learning)


def test_the_kl_grows_into_its_weight(learner, variants, batch, monkeypatch):
    one = learner(replace(variants("ours"), losses={"kl": 1.0}, kl_warm_up=0.5)).train()
    parts = []
    for step in (0, 15, 30, 60):
        monkeypatch.setattr(VaeLearner, "step", step)
        told = one.losses(batch, torch.Generator().manual_seed(0))
        parts.append(float(told["loss"].detach() / told["kl"].detach()))
    assert parts == pytest.approx([0, 0.5, 1, 1])


def test_the_average_follows_and_is_what_is_judged(learner):
    one = learner()
    assert one.averaged is one.network
    weight = one.network.decoder.constant
    for value in (1.0, 3.0):
        weight.data.fill_(value)
        one.follow()
    kept = one.averaged.decoder.constant
    assert kept is not weight
    assert 1 < float(kept.mean()) < 3
    names = {name.split(".")[0] for name in one.state_dict()}
    assert names == {"network", "average", "emphasis"}  # no teacher in a checkpoint


class TestAdversary:
    @pytest.mark.parametrize("kind", [Discriminator, ConcatDiscriminator])
    def test_it_hears_of_the_conditions(self, kind):
        torch.manual_seed(0)
        judge = kind(32, 8, 256, 32)
        images = torch.randn(4, 3, 32, 32)
        one, other = judge(images, torch.zeros(4, 8)), judge(images, torch.ones(4, 8))
        assert one.shape == (4,)
        assert not torch.allclose(one, other)

    def test_pictures_all_alike_look_different_to_it(self):
        torch.manual_seed(0)
        judge = Discriminator(32, 8, 256, 32)
        images = torch.randn(4, 3, 32, 32)
        alike = images[:1].expand(4, -1, -1, -1)
        assert not torch.allclose(judge(images, torch.zeros(4, 8))[:1], judge(alike, torch.zeros(4, 8))[:1])


@pytest.mark.parametrize("name", ["ours", "polished", "v1", "v2", "v3", "v4"])
def test_every_variant_asks_for_terms_that_are_there(name, variants):
    variant = variants(name)
    assert variant.name == name
    assert set(variant.losses) <= {*TERMS, ADVERSARIAL}
    assert any(variant.losses.values())


def test_every_needed_teacher_is_one(teachers):
    assert set(NEEDS) <= set(TERMS)
    assert set(NEEDS.values()) <= set(vars(teachers))


def test_a_collapse_is_told(learner, teachers, batch, capsys):
    told = {}
    logger = SimpleNamespace(log_metrics=lambda numbers, step: told.update(numbers))
    one = learner()
    for weight in one.network.decoder.map[0].parameters():
        weight.data.zero_()  # nothing of z comes through
    watch = Watch(teachers.regressor, batch.properties, least_spread=0.01, people=4)
    watch.on_validation_end(SimpleNamespace(loggers=[logger]), one)  # type: ignore[arg-type]
    assert "the latent has collapsed" in capsys.readouterr().err
    assert told["val_spread"] < 1e-3
    assert "val_r_eyes" in told
    Watch(teachers.regressor, batch.properties, least_spread=0.0).on_validation_end(
        SimpleNamespace(loggers=[logger]),  # type: ignore[arg-type]
        one,
    )
    assert not capsys.readouterr().err


@pytest.mark.slow
def test_a_run_leaves_a_generator_its_sheet_and_its_report(face_job, taught, tmp_path):
    job = face_job("face_vae", tmp_path, f"paths.face={taught}", "job.watched=8")
    assert -1 <= job.run() <= 1
    generator = load_generator(tmp_path, "generator_ours")
    assert generator.resolution == 32
    assert not torch.equal(generator.network.prior.scale, torch.eye(generator.latent_dim))
    weights, _ = load_model(tmp_path, "generator_ours", VAE_KIND)
    assert weights["decoder.constant"].dtype == torch.float16
    assert weights["prior.scale"].dtype == torch.float32
    scores = json.loads((tmp_path / "generator_ours.report.json").read_text())["scores"]
    for name in ("r_eyes", "slope_yaw", "largest_leak", "counterfactual_over_strangers", "mask_iou"):
        assert name in scores
    assert (tmp_path / "generator_ours.png").stat().st_size > 1000
    begun = face_job(
        "face_vae", tmp_path / "on", f"paths.face={taught}", "variant=polished", f"save_to={taught}"
    )
    with pytest.raises(OhloraError, match=r"no face_generator at .*generator_ours"):
        begun.run()


@pytest.mark.slow
def test_a_prior_that_is_too_narrow_is_widened_to_where_people_differ_as_they_do(renderer, teachers):
    torch.manual_seed(0)
    card = {"properties": {name: [axis.low, axis.high] for name, axis in renderer.properties.items()}}
    generator = VaeGenerator(FaceVae(SHAPE, renderer.properties, 32).eval(), card)
    asked = torch.stack([torch.full((300,), axis.at(0.5)) for axis in renderer.properties.values()], dim=1)
    generator.network.prior.width.fill_(1.5)
    _, faces = draw(generator, asked, seed=5)
    generator.network.prior.width.fill_(1.0)
    part = SimpleNamespace(properties=asked, in_order=lambda: [SimpleNamespace(images=faces)])
    width = widen_prior(generator, teachers.embedder, part)
    assert 1.4 <= width <= 1.6
    assert float(generator.network.prior.width) == pytest.approx(width)


@pytest.mark.slow
def test_an_adversarial_run(face_job, taught, tmp_path):
    face_job("face_vae", tmp_path, f"paths.face={taught}", "variant=v1", "job.watched=8").run()
    generator = load_generator(tmp_path, "generator_v1")
    assert generator.card["variant"] == "v1"
    assert torch.equal(generator.network.prior.scale, torch.eye(generator.latent_dim))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty")  # it is gone on with
def test_a_resumed_run_ends_where_it_would_have_ended(face_job, taught, tmp_path):
    """Checkpoint at step 2 of 4, then go on: the very same weights."""
    words = (
        f"paths.face={taught}",
        "lesson.images=128",
        "job.watched=8",
        "trainer.enable_checkpointing=true",
    )
    whole = face_job("face_vae", tmp_path / "whole", *words)

    def kept(job):
        each = ModelCheckpoint(tmp_path / "early", "step{step}", every_n_train_steps=2, save_top_k=-1)
        return replace(job, training_run=replace(job.training_run, callbacks={"each": each}))

    kept(whole).run()
    early = sorted((tmp_path / "early").glob("*.ckpt"))[0]
    half = tmp_path / "half"
    (half / "checkpoints").mkdir(parents=True)
    (half / "checkpoints" / "last.ckpt").write_bytes(early.read_bytes())
    (half / "settings.json").write_bytes((tmp_path / "whole" / "settings.json").read_bytes())
    kept(face_job("face_vae", half, *words, f"resume={half}")).run()
    weights = [
        load_generator(folder, "generator_ours").network.state_dict() for folder in (tmp_path / "whole", half)
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    with pytest.raises(OhloraError, match=r"started with other settings: .*seed was 0, now 7"):
        face_job("face_vae", half, *words, f"resume={half}", "job.seed=7").run()


def test_every_fault_is_named_before_anything_starts(face_job, tmp_path):
    with pytest.raises(OhloraError) as told:
        face_job("face_vae", tmp_path, "job.network.latent=0", "lesson.batch_size=1")
    for fault in ("job.network.latent=0", "lesson.batch_size=1"):
        assert fault in str(told.value)
    job = face_job("face_vae", tmp_path, "+variant.losses.propperties=1", "+variant.emphasis.eyez=1.0")
    with pytest.raises(OhloraError) as told:
        job.run()
    for fault in ("propperties is not a term", "eyez is not a property (did you mean eyes"):
        assert fault in str(told.value)
    assert not any(tmp_path.iterdir())
