"""A conditional VAE in training: the terms of its loss, the running mean of its weights, its opponent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ohlora.face.drawing.generator import to_network, to_uint8
from ohlora.face.trained.evaluate import evaluating
from ohlora.face.trained.vae import FaceVae, VaeGenerator, VaeSettings
from ohlora.laboratory.measures.distances import frechet
from ohlora.laboratory.measures.statistics import pearson
from ohlora.laboratory.networks import losses
from ohlora.laboratory.networks.attributes import Judge
from ohlora.laboratory.networks.discriminator import Discriminator
from ohlora.laboratory.networks.identity import Embedder
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.networks.obedience import draw
from ohlora.laboratory.networks.regressor import Regressor
from ohlora.laboratory.networks.segmenter import Segmenter
from ohlora.laboratory.networks.variants import Variant
from ohlora.laboratory.sources.faces import Faces
from ohlora.laboratory.sources.source import FacePart
from ohlora.space import Real

FEATURE_LEVELS = 3  # of segmenter A: full, half and a quarter of the resolution
# Warm-start learning rate: weights copied from the embedder train at a tenth of the rate.
WARM_STARTED, WARM_RATE = ("encoder.body.", "encoder.hidden."), 0.1
WIDTHS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0)  # of the fitted prior
WARM_UP_STEPS = 200  # of the learning rate, and of the discriminator's


@dataclass(frozen=True)
class Teachers:
    """Frozen networks that say what is wrong with a face; those no term asks may be missing."""

    segmenter: Segmenter | None
    regressor: Regressor | None
    gender: Judge | None
    embedder: Embedder | None

    def to(self, device: torch.device) -> None:
        for teacher in vars(self).values():
            if teacher is not None:
                teacher.network.to(device)


class Scene:
    """One batch of faces and twins, and whatever of it the terms ask to be drawn, each once.

    Faces that have no twins are asked for one another's properties; no term of OF_TWINS can judge that.
    """

    def __init__(self, learner: VaeLearner, faces: Faces, generator: torch.Generator) -> None:
        assert faces.properties is not None
        assert faces.label_maps is not None
        self.learner, self.vae = learner, learner.network
        twins = faces.twin_of is not None and bool((faces.twin_of >= 0).any())
        count = len(faces) // 2 if twins else len(faces)  # twins follow their originals
        latent = self.vae.settings.latent
        device = faces.images.device
        self.noise = torch.randn(count, latent, generator=generator).to(device)
        drawn = max(1, round(learner.variant.sample_share * count))
        self.prior = torch.randn(drawn, latent, generator=generator).to(device)
        # Whoever is drawn from the prior is asked for what somebody else in the batch shows.
        self.shuffled = torch.randperm(count, generator=generator)[:drawn].to(device)
        self.images, self.label_maps = to_network(faces.images[:count]), faces.label_maps[:count]
        self.asked = faces.properties[:count]
        if twins:
            self.twin_images, self.twin_maps = to_network(faces.images[count:]), faces.label_maps[count:]
        self.twin_asked = faces.properties[count:] if twins else self.asked.roll(1, 0)
        self.conditions = self.vae.conditions(self.asked)
        self.twin_conditions = self.vae.conditions(self.twin_asked)

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z, each [n, latent]."""
        return self.vae.encoder(self.images, self.conditions)

    @cached_property
    def latents(self) -> Tensor:
        mean, log_variance = self.posterior
        return mean + (0.5 * log_variance).exp() * self.noise

    @cached_property
    def rebuilt(self) -> tuple[Tensor, Tensor]:
        """Image and map logits of the same person with the same properties."""
        return self.vae.decoder(self.latents, self.conditions)

    @cached_property
    def altered(self) -> tuple[Tensor, Tensor]:
        """The same person with the twin's properties: what the twin shows."""
        return self.vae.decoder(self.latents, self.twin_conditions)

    @cached_property
    def samples(self) -> tuple[Tensor, Tensor]:
        """People from the prior with properties of `sample_asked`."""
        return self.vae.decoder.synthesis(self.sample_styles(self.prior))

    def sample_styles(self, latents: Tensor) -> Tensor:
        """Styles of people from the prior: [n, w], or [n, layers, w]."""
        return self.vae.decoder.mapping(self.vae.prior(latents), self.sample_conditions)

    @property
    def sample_asked(self) -> Tensor:
        return self.twin_asked[self.shuffled]

    @property
    def sample_conditions(self) -> Tensor:
        return self.twin_conditions[self.shuffled]

    def measured(self, images: Tensor, asked: Tensor) -> Tensor:
        """The property term of drawn images: regressor A's reading against what was asked for."""
        regressor = self.learner.teachers.regressor
        assert regressor is not None
        wanted = (asked - regressor.mean.to(asked)) / regressor.std.to(asked)
        return losses.property_error(regressor.network(images), wanted, self.learner.emphasis)

    def features(self, images: Tensor, targets: Tensor) -> Tensor:
        segmenter = self.learner.teachers.segmenter
        assert segmenter is not None
        with torch.no_grad():
            wanted = segmenter.network.features(targets, FEATURE_LEVELS)
        return losses.feature_distance(segmenter.network.features(images, FEATURE_LEVELS), wanted)

    def likeness(self, images: Tensor, targets: Tensor) -> Tensor:
        """What makes a person, iris, glasses, freckles: few pixels, and nothing to a segmenter."""
        embedder = self.learner.teachers.embedder
        assert embedder is not None
        with torch.no_grad():
            wanted = embedder.network.features(targets)
        return losses.feature_distance(embedder.network.features(images), wanted)


def gender_term(scene: Scene) -> Tensor:
    judge = scene.learner.teachers.gender
    assert judge is not None
    return losses.not_named(judge.network(scene.rebuilt[0]))


TERMS: dict[str, Callable[[Scene], Tensor]] = {
    "reconstruction": lambda s: losses.reconstruction(s.rebuilt[0], s.images, s.label_maps),
    "counterfactual": lambda s: losses.reconstruction(s.altered[0], s.twin_images, s.twin_maps),
    "features": lambda s: s.features(s.rebuilt[0], s.images),
    "counterfactual_features": lambda s: s.features(s.altered[0], s.twin_images),
    "counterfactual_identity": lambda s: s.likeness(s.altered[0], s.twin_images),
    "masks": lambda s: losses.mask_cross_entropy(s.rebuilt[1], s.label_maps),
    "counterfactual_masks": lambda s: losses.mask_cross_entropy(s.altered[1], s.twin_maps),
    "properties_of_rebuilt": lambda s: s.measured(s.rebuilt[0], s.asked),
    "properties_of_altered": lambda s: s.measured(s.altered[0], s.twin_asked),
    "properties_of_samples": lambda s: s.measured(s.samples[0], s.sample_asked),
    "kl": lambda s: losses.kl_divergence(*s.posterior, s.learner.variant.free_bits),
    "background_spread": lambda s: losses.background_spread(s.altered[0], s.twin_images, s.twin_maps),
    "latent_leak": lambda s: losses.latent_leak(s.latents, s.conditions),
    "latent_overlap": lambda s: losses.latent_overlap(s.posterior[0]),
    "squared_mean": lambda s: losses.squared_mean(s.posterior[0]),
    "squared_log_variance": lambda s: losses.squared_log_variance(s.posterior[1]),
    "gender": gender_term,
}
OF_TWINS = (
    "counterfactual",
    "counterfactual_features",
    "counterfactual_identity",
    "counterfactual_masks",
    "background_spread",
)
ADVERSARIAL = "adversarial"
NEEDS = {  # the teacher a term asks
    "features": "segmenter",
    "counterfactual_features": "segmenter",
    "counterfactual_identity": "embedder",
    "properties_of_rebuilt": "regressor",
    "properties_of_altered": "regressor",
    "properties_of_samples": "regressor",
    "gender": "gender",
}


def warmed_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """A running mean that forgets its random beginning: its decay grows up to `decay` with the updates."""

    def average(mean: Tensor, value: Tensor, updates: Tensor | int) -> Tensor:
        kept = min(decay, (1 + float(updates)) / (10 + float(updates)))
        return mean * kept + value * (1 - kept)

    return average


class VaeLearner(Learner):
    """Trains a FaceVae by the terms of a variant. `average` holds the weights that are judged and kept."""

    network: FaceVae

    def __init__(
        self,
        network: FaceVae,
        variant: Variant,
        teachers: Teachers,
        properties: Sequence[str],
        ema: float,
        **lesson: Any,
    ) -> None:
        super().__init__(network, **lesson)
        self.variant = variant
        self.teachers = teachers  # a plain object: teachers are neither trained nor saved
        emphasis = [float(variant.emphasis.get(name, 1.0)) for name in properties]
        self.register_buffer("emphasis", torch.tensor(emphasis) * network.told)
        self.average = AveragedModel(network, avg_fn=warmed_average(ema), use_buffers=True)
        self.average.requires_grad_(False)

    emphasis: Tensor

    def on_fit_start(self) -> None:
        self.teachers.to(self.device)

    def terms(self, scene: Scene) -> dict[str, Tensor]:
        """Every term that has a weight, and their weighted sum as `loss`."""
        parts = {name: term(scene) for name, term in TERMS.items() if self.variant.losses.get(name)}
        weights = dict(self.variant.losses)
        if "kl" in weights and self.variant.kl_warm_up and self.training:
            progress = self.step / self.total_steps
            weights["kl"] *= min(1.0, progress / self.variant.kl_warm_up)
        total = sum(
            (weights[name] * part for name, part in parts.items()), torch.zeros((), device=self.device)
        )
        return {"loss": total, **parts}

    @property
    def step(self) -> int:
        return self.global_step if self._trainer is not None else self.total_steps

    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        return self.terms(Scene(self, faces, generator))

    def scene(self, faces: Faces, generator: torch.Generator) -> Scene:
        """What a step of training draws."""
        return Scene(self, faces, generator)

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        super().optimizer_step(*arguments, **named)
        self.follow()

    def follow(self) -> None:
        """Take the new weights into the average: at once, before a checkpoint could fall between."""
        self.average.update_parameters(self.network)

    @property
    def averaged(self) -> FaceVae:
        """The network to judge, to show and to keep."""
        network = self.average.module if int(self.average.n_averaged) else self.network
        assert isinstance(network, FaceVae)
        return network

    def rate(self, step: int) -> float:
        """Learning rate over its peak: up, level, and down along a line over the last third."""
        return min(1.0, (step + 1) / WARM_UP_STEPS, 3.03 - 3 * min(1.0, step / self.total_steps))

    def optimizer(self, network: nn.Module, learning_rate: float) -> dict[str, Any]:
        weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        slow = [name for name in weights if self.variant.encoder_start and name.startswith(WARM_STARTED)]
        groups = [
            {"params": [weight for name, weight in weights.items() if name not in slow]},
            {"params": [weights[name] for name in slow], "lr": WARM_RATE * learning_rate},
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=learning_rate,
            betas=self.variant.betas,
            weight_decay=self.weight_decay,
            fused=True,
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_optimizers(self) -> Any:
        return self.optimizer(self.network, self.learning_rate)


class AdversarialLearner(VaeLearner):
    """The same against a discriminator, which sees photos and samples; the two take turns at every step."""

    def __init__(self, discriminator: Discriminator, *arguments: Any, **lesson: Any) -> None:
        super().__init__(*arguments, **lesson)
        self.discriminator = discriminator
        self.automatic_optimization = False

    def training_step(self, faces: Faces, batch_idx: int) -> None:  # type: ignore[override]
        generator = self.generator()
        scene = self.scene(faces, generator)
        generate, judge = self.optimizers()  # type: ignore[misc]
        judge_losses = self.judged(scene, judge.optimizer)
        parts = self.terms(scene)
        self.discriminator.requires_grad_(False)
        parts[ADVERSARIAL] = losses.fooled(self.discriminator(scene.samples[0], scene.sample_conditions))
        loss = parts["loss"] + self.variant.losses[ADVERSARIAL] * parts[ADVERSARIAL]
        generate.zero_grad()
        self.manual_backward(loss)
        generate.step()
        self.follow()
        self.discriminator.requires_grad_(True)
        for scheduler in self.lr_schedulers():  # type: ignore[union-attr]
            scheduler.step()
        everything = {f"train_{name}": value.detach() for name, value in {**parts, **judge_losses}.items()}
        self.log_dict(everything, batch_size=len(faces))

    def judged(self, scene: Scene, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """One step of the discriminator, past Lightning's wrapper: steps count the generator's."""
        fake = scene.samples[0].detach()
        parts = {
            "told_apart": losses.told_apart(
                self.discriminator(scene.images, scene.conditions),
                self.discriminator(fake, scene.sample_conditions),
            )
        }
        loss = parts["told_apart"]
        if self.global_step % self.variant.r1_every == 0:  # lazy (arXiv:1912.04958): as much, less often
            with torch.autocast(self.device.type, enabled=False):
                real = scene.images.detach().float().requires_grad_(True)
                parts["r1"] = losses.r1_penalty(self.discriminator(real, scene.conditions), real)
            loss = loss + self.variant.r1_weight * self.variant.r1_every * parts["r1"]
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return parts

    def configure_optimizers(self) -> Any:
        both = (self.optimizer(one, self.learning_rate) for one in (self.network, self.discriminator))
        optimizers, schedulers = zip(*((one["optimizer"], one["lr_scheduler"]) for one in both), strict=True)
        return list(optimizers), list(schedulers)


def fit_prior(network: FaceVae, part: FacePart, steps: int, seed: int) -> None:
    """Let people be drawn from where the faces of `part` lie, as `steps` of a flow tell."""
    means, log_variances = [], []
    with evaluating(network):
        for faces in part.in_order():
            assert faces.properties is not None
            device = network.low.device
            conditions = network.conditions(faces.properties.to(device))
            mean, log_variance = network.encoder(to_network(faces.images.to(device)), conditions)
            means.append(mean)
            log_variances.append(log_variance)
    network.prior.fit(torch.cat(means), torch.cat(log_variances), steps, seed)


def widen_prior(generator: VaeGenerator, embedder: Embedder, part: FacePart) -> float:
    """Let people differ as much as the faces of `part` do before the teacher of identity; by how much wider.

    What a decoder learned by an L1 lies nearer to the mean than the face it stands for, so people from where
    faces lie look too much alike. Of WIDTHS, the one whose features are at the least Fréchet distance.
    """
    prior = generator.network.prior
    faces = torch.cat([embedder.features(some.images) for some in part.in_order()])
    apart = {}
    for width in WIDTHS:
        prior.width.fill_(width)
        apart[width] = frechet(embedder.features(draw(generator, part.properties)[1]), faces)
    best = min(apart, key=apart.__getitem__)
    prior.width.fill_(best)
    return best


class Watch(Callback):
    """At every validation: does it obey, do its people differ? A collapse is told at once."""

    def __init__(self, judge: Regressor, asked: Tensor, least_spread: float, people: int = 16) -> None:
        self.judge, self.asked, self.people, self.least_spread = judge, asked, people, least_spread

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VaeLearner)
        network, metrics = pl_module.averaged, {}
        drawn = torch.Generator().manual_seed(0)
        latents = torch.randn(len(self.asked) + self.people, network.settings.latent, generator=drawn)
        with evaluating(network):
            conditions = network.conditions(self.asked.to(pl_module.device))
            conditions = torch.cat([conditions, conditions[:1].expand(self.people, -1)])
            known = network.prior(latents.to(pl_module.device))
            images = network.decoder(known, conditions)[0].clamp(-1, 1)
        obeying, people = images.split([len(self.asked), self.people])
        measured = self.judge.measure(to_uint8(obeying).cpu())
        for i, name in enumerate(self.judge.properties):
            metrics[f"val_r_{name}"] = pearson(self.asked[:, i], measured[:, i])
        metrics["val_spread"] = float(people.float().std(dim=0).mean())
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=pl_module.global_step)
        if metrics["val_spread"] < self.least_spread:
            print(
                f"ohlora: step {pl_module.global_step}: people from the prior look alike (pixel spread"
                f" {metrics['val_spread']:.3f}, below {self.least_spread}): the latent has collapsed",
                file=sys.stderr,
            )


def build_network(
    variant: Variant, settings: VaeSettings, properties: Mapping[str, Real], resolution: int
) -> FaceVae:
    """A generator with random weights."""
    return FaceVae(settings, properties, resolution)


def build_learner(
    variant: Variant,
    network: FaceVae,
    teachers: Teachers,
    properties: Sequence[str],
    ema: float,
    **lesson: Any,
) -> VaeLearner:
    """What trains it: against a discriminator where the variant has an adversarial term."""
    given = (network, variant, teachers, properties, ema)
    if not variant.losses.get(ADVERSARIAL):
        return VaeLearner(*given, **lesson)
    settings = network.settings
    opponent = Discriminator(network.resolution, len(properties), settings.base, settings.most_channels)
    return AdversarialLearner(opponent, *given, **lesson)


def settings_of(variant: Variant) -> dict[str, Any]:
    """Plain numbers, for a card."""
    return {key: dict(v) if isinstance(v, Mapping) else v for key, v in asdict(variant).items()}
