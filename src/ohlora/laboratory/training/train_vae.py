"""`train.py model=face_vae variant=...`: train a generator of faces and measure whether it obeys."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from ohlora.errors import OhloraError, nearest
from ohlora.face.drawing.generator import to_network, to_uint8
from ohlora.face.trained.prior import BATCH
from ohlora.face.trained.vae import (
    VAE_KIND,
    FaceVae,
    VaeGenerator,
    in_half,
    load_generator,
)
from ohlora.laboratory.measures.rows import save_rows
from ohlora.laboratory.networks.attributes import load_judge
from ohlora.laboratory.networks.identity import load_embedder
from ohlora.laboratory.networks.obedience import draw, faithfulness, obedience, spread_of_people
from ohlora.laboratory.networks.regressor import Regressor, load_regressor
from ohlora.laboratory.networks.segmenter import Segmenter, confusion, load_segmenter, overlap_scores
from ohlora.laboratory.networks.vae_learner import (
    ADVERSARIAL,
    NEEDS,
    OF_TWINS,
    TERMS,
    Teachers,
    Watch,
    fit_prior,
    settings_of,
    widen_prior,
)
from ohlora.laboratory.networks.warm_start import warm_start
from ohlora.laboratory.sources.source import FacePart, FaceSource, first, need_fit
from ohlora.laboratory.training.filter_faces import filtered_faces, good
from ohlora.laboratory.training.jobs import TrainVae
from ohlora.processes import is_main
from ohlora.tracking import log_picture

SHEET_COLUMNS = 12
WIDTH_FACES = 2048  # who tell how much people differ


def train_vae(job: TrainVae) -> float:
    """Return the lowest correlation of what is asked and what is measured: of eyes, mouth, roll."""
    source = job.prepare()
    teachers, segmenter, regressor = networks_for(job, source)
    train = filtered_faces(source, job.filtered_faces, job.counts.train)
    val, test = (
        good_faces(source, "val", job.counts.val),
        good_faces(source, "test_b", job.counts.test),
    )
    names = list(source.properties)
    settings = {
        "variant": settings_of(job.variant),
        "network": asdict(job.network),
        "kept": job.filtered_faces is not None,
        "counts": asdict(job.counts),
        "lesson": asdict(job.lesson),
        "seed": job.seed,
        "ema": job.ema,
        "prior_latents": job.prior_latents,
        "faces": source.key,
        "taught": train.fingerprint(),  # who a filter kept among them
        "teachers": {
            name: teacher.card["weights"]["sha256"] for name, teacher in vars(teachers).items() if teacher
        },
    }
    with job.training_run.seeded(job.seed):
        network = job.variant.network(job.network, source.properties, source.resolution)
        settings["begins_with"] = begin(job, network, source)
        lesson = {**job.lesson.of_learner(), "seed": job.seed}
        learner = job.variant.learner(network, teachers, names, job.ema, **lesson)
        asked = val.properties[: job.watched]
        watch = Watch(regressor, asked, job.least_spread)
        training = job.fit(learner, train, val, settings, twins=source.has_twins, callbacks=[watch])
    if not is_main():
        return float("nan")
    card = {
        "kind": VAE_KIND,
        "resolution": source.resolution,
        "network": asdict(network.settings),
        "properties": {name: [axis.low, axis.high] for name, axis in source.properties.items()},
        "variant": job.variant.name,
    }
    trained = learner.averaged.eval().requires_grad_(False)
    generator = VaeGenerator(trained, card)
    if job.variant.fitted_prior:
        fit_prior(trained, train, max(1, job.prior_latents // BATCH), job.seed)
        if teachers.embedder:
            training["prior_width"] = widen_prior(generator, teachers.embedder, first(train, WIDTH_FACES))
    weights = in_half(trained)
    scores = generator_scores(generator, regressor, segmenter, test)
    name = f"generator_{job.variant.name}"
    sheet(job, generator, val, name)
    job.keep(
        name,
        weights,
        {
            **card,
            "settings": settings,
            "training": {**training, "faces": len(train)},
            "scores": scores,
        },
        [
            f"generator {job.variant.name}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
            *(
                f"{name:16} r {scores[f'r_{name}']:.3f} ({scores[f'r_{name}_low']:.3f} to"
                f" {scores[f'r_{name}_high']:.3f}), slope {scores[f'slope_{name}']:.2f}"
                for name in names
            ),
            f"largest leak {scores['largest_leak']:.3f}"
            + "".join(
                f", {key} over strangers {scores[f'{key}_over_strangers']:.3f}"
                for key in ("rebuilt", "counterfactual")
                if f"{key}_over_strangers" in scores
            ),
            f"spread of people {scores['spread_of_people']:.3f} (photos"
            f" {scores['spread_of_photos']:.3f}), mask head IoU {scores['mask_iou']:.3f},"
            f" of hair {scores['hair_iou']:.3f}",
        ],
    )
    return min(scores[f"r_{name}"] for name in ("eyes", "mouth", "roll"))


def faults(job: TrainVae, source: FaceSource) -> list[str]:
    """Every setting that cannot work with these faces."""
    names, known = list(source.properties), [*TERMS, ADVERSARIAL]
    found = [*job.network.faults(source.resolution)]
    found += [
        f"variant.losses.{term} is not a term{nearest(term, known)}; allowed: {', '.join(known)}"
        for term in job.variant.losses
        if term not in known
    ]
    found += [
        f"variant: {name} is not a property{nearest(name, names)}"
        for name in {*getattr(job.variant, "conditions", ()), *job.variant.emphasis}
        if name not in names
    ]
    if not source.has_twins:
        found += [
            f"variant.losses.{term} needs twins, which these faces lack (variant=photos needs none)"
            for term in OF_TWINS
            if job.variant.losses.get(term)
        ]
    if not any(job.variant.losses.values()):
        found.append("variant.losses has no term with a weight")
    return found


def begin(job: TrainVae, network: FaceVae, source: FaceSource) -> dict[str, str]:
    """Take over what the variant begins with: name and sha256. OhloraError where it does not fit."""
    begun = {}
    if name := job.variant.encoder_start:
        known = load_embedder(job.teachers, name)
        need_fit(known.card, source)
        if not warm_start(network.encoder, known.network):
            raise OhloraError(
                f"{Path(job.teachers) / name} has other widths than"
                f" network.encoder_widths={list(job.network.encoder_widths)}"
            )
        begun[name] = known.card["weights"]["sha256"]
    if name := job.variant.start:
        other = load_generator(job.teachers, name)
        need_fit(other.card, source)
        if other.network.settings != network.settings:
            raise OhloraError(
                f"{Path(job.teachers) / name} has another network than this variant's; train it again"
            )
        if not torch.equal(other.network.told, network.told):
            raise OhloraError(f"{Path(job.teachers) / name} is told of other properties than this variant")
        network.load_state_dict(other.network.state_dict())
        begun[name] = other.card["weights"]["sha256"]
    return begun


def networks_for(job: TrainVae, source: FaceSource) -> tuple[Teachers, Segmenter, Regressor]:
    """Teachers a, of which no more are read than the variant asks; and both judges b."""
    needed = {NEEDS[term] for term, weight in job.variant.losses.items() if weight and term in NEEDS}
    teachers = Teachers(
        load_segmenter(job.teachers, "segmenter_a") if "segmenter" in needed else None,
        load_regressor(job.teachers, "regressor_a") if "regressor" in needed else None,
        load_judge(job.teachers, "gender") if "gender" in needed else None,
        load_embedder(job.teachers, "identity_a") if "embedder" in needed else None,
    )
    judges = load_segmenter(job.teachers, "segmenter_b"), load_regressor(job.teachers, "regressor_b")
    names = tuple(source.properties)
    for one in (*vars(teachers).values(), *judges):
        if one is not None:
            need_fit(one.card, source)
            if isinstance(one, Regressor) and one.properties != names:
                raise OhloraError(
                    f"regressors in {job.teachers} tell of {', '.join(one.properties)};"
                    f" these faces' properties are {', '.join(names)}"
                )
    return teachers, *judges


def good_faces(source: FaceSource, split: str, count: int) -> FacePart:
    """Good pictures of women: what the generator should learn to draw."""
    part = source.part(split, count)
    return part.keep(good(part))


def sheet(job: TrainVae, generator: VaeGenerator, part: FacePart, name: str) -> Path:
    """Photos, the same rebuilt, their twins, the same imagined, samples, and their masks' hair.

    Photos that have no twins are imagined with one another's properties.
    """
    twins = part.source.has_twins
    faces = part.faces(torch.arange(min(SHEET_COLUMNS, len(part))), twins=twins)
    assert faces.properties is not None
    count = len(faces) // (2 if twins else 1)
    images, true = faces.images[:count], [faces.images[count:]] if twins else []
    own = faces.properties[:count]
    other = faces.properties[count:] if twins else own.roll(1, 0)
    z = generator.encode(to_network(images), own)
    imagined = [to_uint8(generator.synthesis(generator.mapping(z, c))).cpu() for c in (own, other)]
    w, samples = draw(generator, other)
    hair = (generator.picture(w).hair * 255).byte().cpu()[:, None].expand(-1, 3, -1, -1)
    path = job.training_run.folder / f"{name}.png"
    save_rows([images, imagined[0], *true, imagined[1], samples, hair], path)
    log_picture(job.training_run.logger, name, path)
    return path


def generator_scores(
    generator: VaeGenerator, regressor: Regressor, segmenter: Segmenter, part: FacePart
) -> dict[str, float]:
    """On random people asked to look as those of `part` do, by judges that taught nothing."""
    asked = part.properties
    w, images = draw(generator, asked)
    maps = torch.cat([generator.picture(some).label_maps for some in w.split(256)]).cpu()
    overlap = overlap_scores(confusion(segmenter.label_maps(images), maps))
    photos = part.faces(torch.arange(min(64, len(part)))).images
    return {
        **obedience(regressor.properties, asked, regressor.measure(images)),
        **faithfulness(generator, part),
        "mask_iou": overlap["mean_iou"],
        "hair_iou": overlap["iou_hair"],
        "spread_of_people": spread_of_people(generator, asked),
        "spread_of_photos": float((photos.float() / 255).std(dim=0).mean()),
        "faces": len(part),
    }
