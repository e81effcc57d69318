"""What `train.py model=face_*` runs, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator

from ohlora.callbacks import Callbacks
from ohlora.config import Count, Index, Many, Name, NotNegative, Positive, Share, compared, config, deferred
from ohlora.face.trained.settings import VaeSettings
from ohlora.face.trained.stylegan.settings import Converted, Given
from ohlora.hardware import Hardware
from ohlora.laboratory.measures.settings import Screening
from ohlora.laboratory.networks.settings import (
    Augmentation,
    IdentitySettings,
    PartSettings,
    PictureSettings,
    RegionSettings,
    Target,
    TrunkSettings,
    Width,
)
from ohlora.laboratory.networks.variants import Variant
from ohlora.laboratory.roles import Role
from ohlora.laboratory.sources.settings import FaceCounts, FaceDataset, Seed
from ohlora.loggers import LoggerChoice
from ohlora.space import Real
from ohlora.trainer import TrainerSettings


@config
class Lesson:
    """How much a network sees, and how fast it learns from it."""

    images: Count  # seen in training altogether
    batch_size: Annotated[int, Ge(2)]
    checks: Count  # validations, evenly spread
    learning_rate: Positive  # peak
    weight_decay: NotNegative

    @property
    def steps(self) -> int:
        return max(1, round(self.images / self.batch_size))

    def of_learner(self) -> dict[str, Any]:
        """What a Learner is told of it."""
        return {
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "total_steps": self.steps,
        }


@config
class TrainingRun:
    """Where and under whose eyes a network is trained: what all jobs of this room have in common."""

    hardware: Hardware
    trainer: TrainerSettings
    callbacks: Callbacks
    logger: LoggerChoice
    output_dir: Name
    resume: Name | None  # the folder of a killed run

    check = deferred("ohlora.laboratory.training.training_run", "check_run")
    seeded = deferred("ohlora.laboratory.training.training_run", "seeded")
    train = deferred("ohlora.laboratory.training.training_run", "train_module")
    inside = deferred("ohlora.laboratory.training.training_run", "inside")

    @property
    def folder(self) -> Path:
        return Path(self.resume or self.output_dir).expanduser()


@config
class FaceTask:
    """What everything that is done with faces takes."""

    dataset: FaceDataset
    counts: FaceCounts
    training_run: TrainingRun
    save_to: Name  # a folder

    needs: ClassVar[tuple[str, ...]] = ()  # what must be known of each face
    resumes: ClassVar[bool] = False  # whether a killed run can be gone on with

    prepare = deferred("ohlora.laboratory.training.training_run", "prepare")
    start = deferred("ohlora.laboratory.training.training_run", "start")
    keep = deferred("ohlora.laboratory.training.training_run", "keep")

    faults = deferred("ohlora.laboratory.training.training_run", "faults")

    @property
    def logger(self) -> LoggerChoice:
        """Of the whole run, which is opened and closed with the job."""
        return self.training_run.logger

    @compared
    def _can_be_resumed(self) -> None:
        if self.training_run.resume and not self.resumes:
            raise ValueError(f"resume={self.training_run.resume}: this is done in one go; start it again")


@config
class FaceJob(FaceTask):
    """What training any network of faces takes."""

    lesson: Lesson

    resumes: ClassVar[bool] = True

    fit = deferred("ohlora.laboratory.training.training_run", "fit")


@config
class TrainSegmenter(FaceJob):
    """A segmenter: the teacher trains other networks, the examiner only measures them."""

    role: Role
    seed: Seed
    split: Name  # whose people teach it
    width: Width  # channels at full resolution
    augmentation: Augmentation
    dice: NotNegative  # weight of the overlap beside the cross-entropy

    needs: ClassVar[tuple[str, ...]] = ("label_maps",)

    run = deferred("ohlora.laboratory.training.train_segmenter", "train_segmenter")
    faults = deferred("ohlora.laboratory.training.train_segmenter", "faults")


@config
class TrainRegressor(FaceJob):
    """A property regressor: the teacher's gradients train the generator, the examiner only measures it."""

    role: Role
    seed: Seed
    split: Name  # whose people teach it
    network: TrunkSettings | PartSettings
    augmentation: Augmentation
    segmenters: Name  # the folder of the role's segmenter, which finds the parts

    needs: ClassVar[tuple[str, ...]] = ("properties",)

    run = deferred("ohlora.laboratory.training.train_regressor", "train_regressor")


@config
class TrainAttributes(FaceJob):
    """Learn gender or quality from the first `labels` of `pool` faces; the rest, whose truth is known, tests.

    Members are trained for a fixed number of steps, once: none is picked by its validation.
    """

    target: Target
    labels: Count
    curve: Many[Count]  # fewer labels, trained for the report alone
    pool: Annotated[int, Ge(2)]
    folds: Annotated[int, Ge(2), Le(1000)]
    seed: Seed
    network: PictureSettings | RegionSettings
    augmentation: Augmentation
    segmenters: Name  # the folder of segmenter_a, which shows where to look

    run = deferred("ohlora.laboratory.training.train_attributes", "train_attributes")
    faults = deferred("ohlora.laboratory.training.train_attributes", "faults")

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.target,)

    @compared
    def _every_fold_has_labels(self) -> None:
        few = [f"labels={self.labels}"] if self.labels < 2 * self.folds else []
        few += [f"curve={labels}" for labels in self.curve if labels < 2 * self.folds]
        if few:
            raise ValueError(
                f"{', '.join(few)} is not a whole number from {2 * self.folds} up, two to each of"
                f" folds={self.folds}"
            )


@config
class TrainIdentity(FaceJob):
    """An embedder of its own seed, taught by twins and by photos of another day."""

    role: Role
    seed: Seed
    temperature: Positive  # of the softmax over cosines
    network: IdentitySettings
    augmentation: Augmentation

    needs: ClassVar[tuple[str, ...]] = ("identity",)

    run = deferred("ohlora.laboratory.training.train_identity", "train_identity")
    faults = deferred("ohlora.laboratory.training.train_identity", "faults")


@config
class TrainVae(FaceJob):
    """Generator of one variant. Networks a teach it; networks b, which it never met, judge it."""

    variant: Variant
    network: VaeSettings
    teachers: Name  # the folder of segmenters, regressors and judges
    filtered_faces: Name | None  # the folder of a filter's answer; None: good pictures of women, by truth
    seed: Seed
    ema: Annotated[float, Ge(0), Lt(1)]  # of the weights that are kept
    prior_latents: Count  # that the flow of the fitted prior sees
    watched: Annotated[int, Ge(2)]  # faces that are asked for at every validation
    least_spread: NotNegative  # of pixels, -1 to 1, over people of whom the same is asked; below: collapsed

    needs: ClassVar[tuple[str, ...]] = ("properties", "label_maps")

    run = deferred("ohlora.laboratory.training.train_vae", "train_vae")
    faults = deferred("ohlora.laboratory.training.train_vae", "faults")


@config
class FilterFaces(FaceTask):
    """Keep the faces of the training part whose gender and quality are judged high enough."""

    judges: Name  # the folder of the ensembles
    least: Annotated[Mapping[Target, Share], MinLen(1)]  # probability, of each target

    run = deferred("ohlora.laboratory.training.filter_faces", "filter_faces")


def _is_safetensors(parser: str | None) -> str | None:
    if parser is not None and Path(parser).suffix != ".safetensors":
        raise ValueError("not a .safetensors file (model=face_seg or model=face_props makes one)")
    return parser


def _is_csv(labels: str | None) -> str | None:
    if labels is not None and not Path(labels).expanduser().is_file():
        raise ValueError(
            "not a file (a .csv with scores; python train.py model=face_samples makes an empty one)"
        )
    return labels


ParserFile = Annotated[Name | None, AfterValidator(_is_safetensors)]


@config
class SampleFaces(FaceTask):
    """Pictures of a StyleGAN's random faces, for a parser or for you to score; a killed run goes on."""

    stylegan: Given
    parser: ParserFile  # scores the pictures; None: you do
    psi: Share  # truncation
    samples: Annotated[int, Ge(40)]
    side: Annotated[int, Ge(16)]  # pixels of a saved picture at most
    seed: Seed

    run = deferred("ohlora.laboratory.training.sample_faces", "sample_faces")


@config
class FindDirections(FaceTask):
    """Directions found with regressor a's readings, and judged by b's.

    In a StyleGAN with the scores of its samples, and judged by the parser.
    """

    stylegan: Converted  # in place of networks and generator
    labels: Annotated[Name | None, AfterValidator(_is_csv)]  # scores of samples; None: those beside them
    angles: Literal["rad", "degrees"]  # in labels
    parser: ParserFile  # measures moved faces of the StyleGAN; None: calibrated on the samples

    networks: Name  # the folder of generator and regressors
    generator: Name  # its name there
    space: Literal["z", "w", "style"]
    method: Literal["svm", "logistic", "mean_difference", "ridge"]
    free: bool  # of what belongs to the other properties
    samples: Annotated[int, Ge(40)]
    share: Annotated[float, Gt(0), Le(0.5)]  # of the samples, at either end
    swept: Count  # faces moved along each direction, for the report
    reach: Positive  # largest weight of a sweep
    steps: Annotated[int, Ge(3)]  # weights of a sweep

    needs: ClassVar[tuple[str, ...]] = ("properties",)

    run = deferred("ohlora.laboratory.training.find_directions", "find_directions")


@config
class FillBank(FaceTask):
    """The teacher's regressor screens `candidates` random people; the examiner's tests those who pass again.

    `passed.png` shows the first who passed, with the numbers that `favourites` takes; `bank.png` those in
    the bank, with their numbers there.
    """

    stylegan: Converted  # in place of networks and generator
    controls: Mapping[Name, Real]  # that moods ask for beyond the properties: a StyleGAN may know the first
    parser: ParserFile  # screens the StyleGAN's people; None: all pass, those who move least first
    networks: Name  # the folder of generator, regressors, the examiner's segmenter and the quality ensemble
    generator: Name  # its name there
    screening: Screening
    candidates: Count
    faces: Count  # in the bank at most
    favourites: Many[Index] | None  # of those who passed, from 0 on, in the order wanted; None: the first
    seed: Seed

    needs: ClassVar[tuple[str, ...]] = ("properties",)

    run = deferred("ohlora.laboratory.training.fill_bank", "fill_bank")

    @compared
    def _favourites_can_pass(self) -> None:
        if beyond := [number for number in self.favourites or () if number >= self.candidates]:
            raise ValueError(
                f"favourites={beyond} are beyond job.candidates={self.candidates} (numbered from 0)"
            )
