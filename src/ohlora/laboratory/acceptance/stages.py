"""Every stage of her face, measured: by the functions its training reports with, on people it never saw.

Scores are plain numbers by name; `name_low` and `name_high` are the ends of a 95 % bootstrap interval.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.acting.expression import MOVING, Expressions
from ohlora.face.acting.film import film, look
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import Person
from ohlora.face.drawing.generator import Generator, to_uint8
from ohlora.face.drawing.ombre import Ombre
from ohlora.face.drawing.portrait.settings import Portrait
from ohlora.face.drawing.renderer import Renderer
from ohlora.face.trained.spaces import points_of
from ohlora.laboratory.acceptance.fresh import first_frame, in_fresh_process, parameters
from ohlora.laboratory.acceptance.jobs import Counts
from ohlora.laboratory.acceptance.model_folder import DIRECTIONS, Missing, ModelFolder
from ohlora.laboratory.measures.distances import (
    normalised_frechet,
    pixel_gaussian,
    untrained_features,
    within,
)
from ohlora.laboratory.measures.scores import SCORES, v2_scores
from ohlora.laboratory.measures.screening import MOVED, ScreeningReport, examine
from ohlora.laboratory.measures.settings import Screening
from ohlora.laboratory.measures.statistics import pearson, with_interval
from ohlora.laboratory.networks.attributes import TARGETS
from ohlora.laboratory.networks.directions import sweep
from ohlora.laboratory.networks.identity import found_again, identity_scores
from ohlora.laboratory.networks.obedience import background_change, draw, edited, repeated
from ohlora.laboratory.sources.dataset import Album, current_key
from ohlora.laboratory.sources.settings import RenderedFaces
from ohlora.laboratory.sources.source import FacePart
from ohlora.laboratory.sources.twins import may_show, twin
from ohlora.laboratory.training.filter_faces import filter_scores, good
from ohlora.laboratory.training.train_attributes import attribute_scores
from ohlora.laboratory.training.train_identity import album
from ohlora.laboratory.training.train_regressor import regressor_scores
from ohlora.laboratory.training.train_segmenter import FRAMES, frame_ms, segmenter_scores
from ohlora.laboratory.training.train_vae import generator_scores
from ohlora.precision import one_thread

Scores = dict[str, float]
FPS = 30  # of the frames whose jumps are counted
FULL_SIZE = 128  # pixels a side of the frame a segmenter is timed on
ROUNDING = 1 / 255  # of what two machines may call the same pixel
STRAND = 2 / 255  # of the soft edge of a strand too thin to have an inside


@dataclass(frozen=True)
class Evaluation:
    """Networks, the faces they are measured on, and what moves her."""

    models: ModelFolder
    source: RenderedFaces
    counts: Counts
    screenings: Mapping[str, Screening]
    expressions: Expressions
    ombre: Ombre
    portrait: Portrait
    rest: Mapping[str, float]  # her properties but for those that moods set
    seed: int  # of the people asked for; other than any training's
    measured: dict[str, Any] = field(default_factory=dict)  # what two stages need

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """What `measure` says, which is asked a single time."""
        if name not in self.measured:
            self.measured[name] = measure()
        return self.measured[name]

    def of(self, generator: str) -> Evaluation:
        """The same for another generator of the folder."""
        return replace(self, models=replace(self.models, generator_name=generator), measured={})

    @property
    def names(self) -> list[str]:
        return list(self.source.properties)

    @property
    def photographed(self) -> RenderedFaces:
        """The same people in photos with defects."""
        return replace(self.source, spoilt=True)

    def women(self, split: str, count: int) -> FacePart:
        """`count` good pictures of women: what a generator learned to draw."""
        looked_at = count
        while True:
            part = self.source.part(split, looked_at)
            rows = good(part).nonzero()[:, 0]
            if len(rows) >= count:
                return part.keep(rows[:count])
            if looked_at > 100 * count:
                raise OhloraError(
                    f"{len(rows)} of {looked_at} people are women in good pictures, and {count} are needed"
                )
            looked_at *= 2

    @property
    def asked(self) -> Tensor:
        """Property values to ask of a generator, raw [asked, properties]."""
        return self.source.wanted("test_b", self.counts.asked)

    def seen_by(self, suffix: str) -> Scores:
        """A segmenter's scores, which tell of maps and of what is read off them."""
        return self.once(
            f"segmenter_{suffix}",
            lambda: segmenter_scores(
                self.models.segmenter(suffix), self.source.part("test_b", self.counts.faces)
            ),
        )

    def need_cpu(self) -> None:
        if self.models.device.type != "cpu":
            raise Missing(f"timed on a CPU, not on {self.models.device} (hardware.device=cpu)")


def mean_of(name: str, values: Tensor) -> Scores:
    """The mean of a value a face, with its interval."""
    values = values.double()
    return with_interval(name, lambda rows: float(values[rows].mean()), len(values))


def renderer(evaluation: Evaluation) -> Scores:
    """r(parameter, v2 score of the exact map); people alike in a fresh process; twins that are twins."""
    part = evaluation.source.part("train", evaluation.counts.renders)
    scored = []
    for faces in part.in_order():
        assert faces.label_maps is not None
        scored.append(v2_scores(faces.label_maps, faces.images))
    truth, answer, scores = part.properties, torch.cat(scored), {}
    for i, name in enumerate(SCORES):
        asked = truth[:, evaluation.names.index(name)]
        scores |= with_interval(
            f"r_{name}", lambda rows, a=asked, i=i: pearson(a[rows], answer[rows, i]), len(part)
        )
    few = list(range(min(64, len(part))))
    drawn = evaluation.source.population.sample(evaluation.seed, few)
    here = torch.cat([drawn.latents, drawn.properties, drawn.severity[:, None]], dim=1).numpy()
    there, _ = in_fresh_process(parameters, evaluation.source.population, evaluation.seed, few)
    alike = torch.from_numpy((here == there).all(axis=1))
    return {**scores, **mean_of("bit_equal", alike), **mean_of("twins_equal", true_twins(evaluation))}


def true_twins(evaluation: Evaluation, people: int = 24) -> Tensor:
    """Whether twins are equal wherever their property has no say, bool [properties * people]."""
    drawn, painter = (
        evaluation.source.population.sample(evaluation.seed, range(people)),
        evaluation.source.renderer,
    )
    found = []
    for name, axis in painter.properties.items():
        pair = [twin(drawn, painter.properties, name, axis.at(u)) for u in (0.1, 0.8)]
        one, other = (painter.picture(painter.mapping(draws.latents, draws.properties)) for draws in pair)
        difference = (one.images.int() - other.images.int()).abs().amax(dim=1) / 255
        differs = difference > (STRAND if name == "hair_colour" else ROUNDING)
        differs |= one.label_maps != other.label_maps
        kept = ~(differs & ~may_show(name, painter, pair))
        found.append(kept.flatten(1).all(dim=1).cpu())
    return torch.cat(found)


def segmenter(evaluation: Evaluation, suffix: str) -> Scores:
    """Overlap with exact maps on unseen people; milliseconds for a frame of FULL_SIZE, one core, bf16."""
    scores = dict(evaluation.seen_by(suffix))
    if evaluation.models.device.type == "cpu":
        one = evaluation.source.part("test_b", 1).faces(torch.zeros(FRAMES, dtype=torch.long)).images
        frame = to_uint8(F.interpolate(one.float() / 127.5 - 1, size=(FULL_SIZE, FULL_SIZE)))
        with one_thread(), torch.autocast("cpu", torch.bfloat16):
            scores["ms_of_128"] = frame_ms(evaluation.models.segmenter(suffix), frame)
    return scores


def map_scores(evaluation: Evaluation, suffix: str) -> Scores:
    """r(v2 score of the predicted map, of the exact map)."""
    return evaluation.seen_by(suffix)


def regressor(evaluation: Evaluation, suffix: str) -> Scores:
    return regressor_scores(
        evaluation.models.regressor(suffix), evaluation.source.part("test_b", evaluation.counts.faces)
    )


def attribute(evaluation: Evaluation, target: str) -> Scores:
    """On faces nobody labelled: against the truth, and against the best judge there could be."""
    judge = evaluation.models.judge(target)
    labels = int(judge.card["labels"])
    part = evaluation.photographed.part("train", labels + evaluation.counts.unlabelled)
    scores = attribute_scores(judge, part.keep(torch.arange(labels, len(part))), target)
    best = evaluation.source.best_accuracy(target)
    if best is not None:
        ends = ("", "_low", "_high")
        scores |= {f"accuracy_less_best{end}": scores[f"accuracy{end}"] - best for end in ends}
    return scores


def sieve(evaluation: Evaluation) -> Scores:
    """Of the faces kept, those whose labels taught no judge: how many are women's and good, by truth."""
    tensors, card = evaluation.models.sieve
    judges = {name: evaluation.models.judge(name) for name in card["judges"]}
    if any(judge.card["weights"]["sha256"] != card["judges"][name] for name, judge in judges.items()):
        raise Missing("kept was chosen by other judges than those beside it (run model=face_filter again)")
    if current_key(card["pictures"]) != evaluation.source.key:
        raise Missing("kept was chosen among other pictures (resolution, renderer or seed)")
    part = evaluation.photographed.part(card["split"], int(card["scores"]["faces"]))
    taught = max(int(judge.card["labels"]) for judge in judges.values())
    unseen = torch.arange(len(part)) >= taught
    if not unseen.any():
        raise Missing(f"all {len(part)} faces of kept may have taught its judges")
    return filter_scores(torch.isin(part.positions, tensors["positions"])[unseen], part.keep(unseen))


def embedder(evaluation: Evaluation) -> Scores:
    return identity_scores(
        evaluation.models.embedder, album(evaluation.source, "test_b", evaluation.counts.faces)
    )


def obeying(evaluation: Evaluation) -> Scores:
    """Whether random people look as they are asked to, by judges that taught nothing; and leave the wall."""
    generator, models = evaluation.models.generator, evaluation.models
    same = mean_of("equal_twice", repeated(generator, evaluation.asked))
    if same["equal_twice"] < 1:
        return same
    part = evaluation.women("test_b", evaluation.counts.asked)
    scores = generator_scores(generator, models.regressor("b"), models.segmenter("b"), part)
    pairs = before_and_after(evaluation, generator, MOVING)
    maps = [models.segmenter("b").label_maps(images) for images in pairs]
    change = background_change(*pairs, *maps)
    return {**same, **scores, **(mean_of("background_change", change) if len(change) else {})}


def before_and_after(
    evaluation: Evaluation, generator: Generator, changed: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    """uint8 images of random people, and of the same with `changed` properties asked otherwise."""
    asked = evaluation.asked
    before, after = (
        draw(generator, one, evaluation.seed)[1] for one in (asked, edited(evaluation.names, asked, changed))
    )
    return before, after


def keeping(evaluation: Evaluation) -> Scores:
    """Share of random people found among all of them after an edit: of the face, and of every property.

    Hair and wall stay in an edit of the face and may help to find her; with every property changed nothing
    but the person does. `found_of_renders` is what the ruler finds of women's renders of another day.
    """
    ruler, generator = evaluation.models.embedder, evaluation.models.generator
    scores: Scores = {}
    for name, changed in (
        ("found_after_face_edit", MOVING),
        ("found_after_any_edit", tuple(evaluation.names)),
    ):
        gallery, probes = (ruler.embed(images) for images in before_and_after(evaluation, generator, changed))
        scores |= mean_of(name, found_again(probes, gallery))
    women = Album(evaluation.source, "test_b", evaluation.women("test_b", evaluation.counts.asked).positions)
    kinds = [faces.images.chunk(3) for faces in women.in_order()]
    photos, others = (torch.cat([ruler.embed(some[i]) for some in kinds]) for i in (0, 2))
    return {**scores, **mean_of("found_of_renders", found_again(others, photos))}


def samples(evaluation: Evaluation) -> Scores:
    """Share of random people's pictures that the judges think a woman's, and good."""
    _, images = draw(evaluation.models.generator, evaluation.asked, evaluation.seed)
    judged = {target: evaluation.models.judge(target).judge(images) for target in TARGETS}
    scores: Scores = {}
    for target, answers in judged.items():
        scores |= mean_of(target, answers > 0.5)
    return scores


def sets(evaluation: Evaluation) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """uint8 images, as many of each: made, real, real ones held out, and the crude sampler's."""

    def measure() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n = evaluation.counts.compared
        part = evaluation.women("test_b", 2 * n)
        photos = torch.cat([faces.images for faces in part.in_order()])
        _, made = draw(evaluation.models.generator, part.properties[:n], evaluation.seed)
        taught = torch.cat([faces.images for faces in evaluation.women("train", n).in_order()])
        return made, photos[:n], photos[n:], pixel_gaussian(taught, n, seed=evaluation.seed)

    return evaluation.once("sets", measure)


def likeness(evaluation: Evaluation) -> Scores:
    """Of the embedder's features: normalised Fréchet distance and its floor, precision and recall."""
    ruler = evaluation.models.embedder
    seen = [ruler.features(images) for images in sets(evaluation)]
    return {
        **normalised_frechet(*seen),
        **mean_of("precision", within(seen[0], seen[1])),
        **mean_of("recall", within(seen[1], seen[0])),
    }


def untrained(evaluation: Evaluation) -> Scores:
    """The same distance, of features that nobody ever trained."""
    return normalised_frechet(*(untrained_features(images) for images in sets(evaluation)))


def directions(evaluation: Evaluation, name: str) -> Scores:
    """Fresh faces moved along each direction, as judge b reads them.

    `error_...`: how far a face ends from what was asked, in spreads, when it is asked to look in that
    property as the next face does. Accuracies are those the card tells of latents the classifier never met.
    """
    found, generator = evaluation.models.directions(name), evaluation.models.generator
    judge = evaluation.models.regressor("b")
    asked = evaluation.source.wanted("test_b", evaluation.counts.swept)
    drawn = torch.Generator().manual_seed(evaluation.seed)
    latents = torch.randn(len(asked), generator.latent_dim, generator=drawn)
    points, show = points_of(generator, found.card["space"], latents, asked)

    def read(moved: Tensor) -> Tensor:
        rows = torch.arange(len(moved)).split(256)
        return torch.cat([judge.measure(to_uint8(show(moved[some], some)).cpu()) for some in rows])

    before = read(points)
    spread = before.std(dim=0).clamp_min(1e-6)
    weights = torch.linspace(-evaluation.counts.reach, evaluation.counts.reach, evaluation.counts.steps)
    scores: Scores = {}
    for one in MOVED:
        i = list(found.names).index(one)
        swept = sweep(show, judge.measure, points, found.vectors[i], i, weights, spread)
        wish = before[:, i].roll(-1, 0)
        # A weight for each face: Directions.move takes one for all.
        moved = points + ((wish - before[:, i]) / found.gains[i])[:, None] * found.vectors[i]
        error = (read(moved)[:, i] - wish).abs() / spread[i]
        scores |= {**mean_of(f"r_{one}", swept.each), **mean_of(f"error_{one}", error)}
        scores[f"accuracy_{one}"] = float(found.card["scores"][f"accuracy_{one}"])
    return scores


def passing(evaluation: Evaluation) -> Scores:
    """Share of random people who pass each screening before judge a; and of those, before judge b as well."""
    models, generator = evaluation.models, evaluation.models.generator
    quality = models.judge("quality").judge
    drawn = torch.Generator().manual_seed(evaluation.seed)
    latents = torch.randn(evaluation.counts.candidates, generator.latent_dim, generator=drawn)
    bases = evaluation.source.wanted("test_b", evaluation.counts.candidates)

    def before(suffix: str, i: int) -> ScreeningReport:
        measure, maps = models.regressor(suffix).measure, models.segmenter("b").label_maps
        return examine(generator, measure, maps, latents[i], bases[i], quality)

    first = [before("a", i) for i in range(len(latents))]
    passed = {
        name: [i for i, report in enumerate(first) if not report.faults(screening)]
        for name, screening in evaluation.screenings.items()
    }
    second = {i: before("b", i) for i in sorted({i for some in passed.values() for i in some})}
    scores: Scores = {}
    for name, screening in evaluation.screenings.items():
        chosen = torch.zeros(len(first))
        chosen[passed[name]] = 1
        scores |= mean_of(f"pass_{name}", chosen)
        if passed[name]:
            again = torch.tensor([not second[i].faults(screening) for i in passed[name]])
            scores |= mean_of(f"again_{name}", again)
    return scores


def bank(evaluation: Evaluation) -> Scores:
    """Faces kept, and the share of them that judge b passes by the bank's own screening."""
    models, kept = evaluation.models, evaluation.models.bank
    screening = Screening(**kept.card["protocol"])
    quality = models.judge("quality").judge if screening.least_quality is not None else None
    measure, maps = models.regressor("b").measure, models.segmenter("b").label_maps
    again = [
        not examine(models.generator, measure, maps, *kept.face(i), quality).faults(screening)
        for i in range(len(kept))
    ]
    return {"faces": float(len(kept)), **mean_of("again", torch.tensor(again))}


def expression(evaluation: Evaluation) -> Scores:
    """Share of cells (word, property) that she shows at the height of the mood, and no other mood's value.

    Words are moods and the challenger's verdicts. A value is its cell's own where it lies nearer to that than
    to any other value the table has for the property.
    """
    table = evaluation.expressions
    resting = {**dict.fromkeys(table.controls, 0.0), **table.moods["neutral"], **evaluation.rest}
    rest = np.array([resting[name] for name in table.axes])
    right = []
    for word in (*table.moods, *table.verdicts):
        mood = table.mood(word)
        performance = Performance.of(rest, table, evaluation.seed).feel(mood, 0.1, until_s=30.0)
        pose = performance.pose(performance.height_s)
        for name in MOVING:
            own = table.moods[mood][name]
            shown = pose[list(table.axes).index(name)]
            others = [row[name] for row in table.moods.values() if row[name] != own]
            right.append(all(abs(shown - own) < abs(shown - other) for other in others))
    return mean_of("cells", torch.tensor(right))


def acting(evaluation: Evaluation, generator: Generator, latents: np.ndarray) -> Scores:
    """Frame rate and slowest frames, ombre included; equal frames at equal (seed, t); jumps in spreads."""
    evaluation.need_cpu()
    person = Person(latents, evaluation.rest)
    performance = Performance.of(
        person.at_rest(evaluation.expressions), evaluation.expressions, evaluation.seed
    )
    for number, mood in enumerate(evaluation.expressions.moods):
        performance = performance.feel(mood, 0.7 * number)
    performance = performance.say("와, 대박! What a match!", 0.5)
    times = [number / FPS for number in range(evaluation.counts.frames)]
    elapsed = []
    look(generator, person, [performance.at(0.0)], [0.0], evaluation.ombre)  # the first one warms up
    for t in times:
        started = time.perf_counter()
        look(generator, person, [performance.at(t)], [t], evaluation.ombre)
        elapsed.append(time.perf_counter() - started)
    seconds, size = torch.tensor(elapsed, dtype=torch.float64), generator.resolution
    few = times[:16]
    films = [film(generator, person, performance, few, evaluation.ombre) for _ in range(2)]
    scores = mean_of("equal_frames", torch.from_numpy((films[0] == films[1]).all(axis=(1, 2, 3))))
    scores |= with_interval(f"fps_{size}", lambda rows: float(1 / seconds[rows].mean()), len(seconds))
    scores |= with_interval(
        f"p95_ms_{size}", lambda rows: float(1000 * seconds[rows].quantile(0.95)), len(seconds)
    )
    return {**scores, **jumps(performance)}


def jumps(performance: Performance) -> Scores:
    """The largest step of any property from frame to frame at FPS, in its spread when drawn evenly.

    Of moods and sliders alone, and with lids and lips, which people move in a tenth of a second too.
    """
    axes = performance.expressions.properties.values()  # controls come after them
    spread = np.array([(axis.high - axis.low) / math.sqrt(12) for axis in axes])
    times = np.arange(0, performance.end_s, 1 / FPS)
    moves = {"largest_jump": performance.pose, "largest_jump_of_lids_and_lips": performance.at}
    return {
        name: float((np.abs(np.diff([move(t)[: len(spread)] for t in times], axis=0)) / spread).max())
        for name, move in moves.items()
    }


def acting_network(evaluation: Evaluation) -> Scores:
    drawn = torch.Generator().manual_seed(evaluation.seed)
    generator = evaluation.models.generator
    return acting(evaluation, generator, torch.randn(generator.latent_dim, generator=drawn).numpy())


def acting_drawing(evaluation: Evaluation, painter: Portrait | Renderer) -> Scores:
    """A look at both sizes."""
    latents = evaluation.source.population.latents(evaluation.seed, [0])[0]
    scores: Scores = {}
    for size in (64, 128):
        scores |= acting(evaluation, replace(painter, resolution=size), latents)
    return scores


def acting_renderer(evaluation: Evaluation) -> Scores:
    """The first look as it is watched live: one sample a pixel."""
    return acting_drawing(evaluation, replace(evaluation.source.renderer, supersample=1, device="cpu"))


def start_up(evaluation: Evaluation) -> Scores:
    """Seconds from a cold Python to the generator's first frame."""
    evaluation.models.need(evaluation.models.generator_name)
    _, seconds = in_fresh_process(first_frame, evaluation.models.folder, evaluation.models.generator_name)
    return {"first_frame_s": seconds}


def of_generator(evaluation: Evaluation) -> Iterator[tuple[str, str, Callable[[], Scores]]]:
    """Of `subjects`, what can be said of any generator: what its pictures are like, and who passes."""
    for stage, measure in (
        ("generator", obeying),
        ("identity", keeping),
        ("samples", samples),
        ("likeness", likeness),
        ("untrained", untrained),
        ("pass_test", passing),
    ):
        yield stage, evaluation.models.generator_name, lambda measure=measure: measure(evaluation)


def subjects(evaluation: Evaluation) -> Iterator[tuple[str, str, Callable[[], Scores]]]:
    """Stage, what is measured, and how; in the order of the table."""
    models = evaluation.models
    yield "renderer", "renderer", lambda: renderer(evaluation)
    for suffix in "ab":
        yield "segmenter", f"segmenter_{suffix}", lambda one=suffix: segmenter(evaluation, one)
    for suffix in "ab":
        yield "scores", f"segmenter_{suffix}", lambda one=suffix: map_scores(evaluation, one)
    for suffix in "ab":
        yield "regressor", f"regressor_{suffix}", lambda one=suffix: regressor(evaluation, one)
    for target in TARGETS:
        yield target, target, lambda one=target: attribute(evaluation, one)
    yield "filter", "kept", lambda: sieve(evaluation)
    yield "embedder", "identity_b", lambda: embedder(evaluation)
    *pictures, test = of_generator(evaluation)
    yield from pictures
    for name in models.names(DIRECTIONS) or ["directions_style_svm"]:
        yield "directions", name, lambda one=name: directions(evaluation, one)
    yield test
    yield "bank", "bank", lambda: bank(evaluation)
    yield "expression", "moods", lambda: expression(evaluation)
    yield "animation", "portrait", lambda: acting_drawing(evaluation, evaluation.portrait)
    yield "animation", "renderer", lambda: acting_renderer(evaluation)
    yield "animation", models.generator_name, lambda: acting_network(evaluation)
    yield "start_up", models.generator_name, lambda: start_up(evaluation)
