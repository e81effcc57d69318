"""The faces a config can name: the settings of each set, and what it is asked for."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from ohlora.config import Count, Name, config, deferred, deferred_property
from ohlora.datasets.readers import FolderName
from ohlora.errors import OhloraError
from ohlora.face.drawing.population import Population, Splits
from ohlora.face.drawing.renderer import Renderer

if TYPE_CHECKING:
    from ohlora.space import Real

RENDERED = "rendered faces"  # the domain of renders
MISSING = "missing"  # the origin of what a source does not know
PICTURES = (
    1  # version of what is drawn: one more with every change to face/drawing or twins.py that a pixel shows
)
LICENCES = {
    "ffhq": "FFHQ is under CC BY-NC-SA 4.0 and its photos under their own licences: not for commercial use.",
    "celebamask": "CelebAMask-HQ is for non-commercial research and education only.",
}
Seed = Annotated[int, Ge(0), Le(2**31 - 1)]


def _callable(parser: Any) -> Any:
    if parser is not None and not callable(parser):
        raise ValueError("nothing that can be called")
    return parser


@config
class FaceCounts:
    """How many people each part has."""

    train: Count
    val: Count
    test: Count


@config
class RenderedFaces:
    """The people of one world. Where `cache_dir` is None every picture is rendered when it is asked for."""

    renderer: Renderer
    population: Population
    seed: Seed
    spoilt: bool  # photos with the population's defects
    cache_dir: Name | None

    part = deferred("ohlora.laboratory.sources.dataset", "rendered_part")
    wanted = deferred("ohlora.laboratory.sources.dataset", "wanted_of")
    draws = deferred("ohlora.laboratory.sources.dataset", "draws_of")
    twins = deferred("ohlora.laboratory.sources.dataset", "twins_of")
    pictures = deferred("ohlora.laboratory.sources.dataset", "pictures_of")
    block = deferred("ohlora.laboratory.sources.dataset", "block_of")

    def load(self) -> Any:
        """Raise OhloraError: where a classification dataset is wanted, faces are none."""
        raise OhloraError(
            "dataset=faces has no classes to tell apart: it is for model=face_seg | face_props | face_attr |"
            " face_filter | face_vae | face_identity"
        )

    @property
    def resolution(self) -> int:
        return self.renderer.resolution

    @property
    def properties(self) -> Mapping[str, Real]:
        return self.renderer.properties

    @property
    def has_twins(self) -> bool:
        return True

    @property
    def provenance(self) -> dict[str, str]:
        """All is known exactly, but quality of a part that is labelled by hand."""
        return dict.fromkeys(("label_maps", "properties", "gender", "quality", "identity"), "rendered")

    @property
    def domain(self) -> str:
        return RENDERED

    def best_accuracy(self, target: str) -> float | None:
        """Bayes' for gender; a defect too weak to see has none."""
        return self.population.best_accuracy if target == "gender" else None

    @property
    def key(self) -> str:
        return self.fingerprint

    @cached_property
    def fingerprint(self) -> str:
        """Names everything that decides a clean picture: the renderer's version and all it is given."""
        renderer, population = asdict(self.renderer), asdict(self.population)
        content = {
            "pictures": PICTURES,
            "renderer": {key: renderer[key] for key in renderer if key not in ("chunk", "device")},
            "population": {
                key: population[key] for key in population if key not in ("bad_share", "label_noise")
            },
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@config
class PhotoFaces:
    """A set of photos: FFHQ, CelebAMask-HQ or any folder of crops.

    Where the set has no label maps, `parser` draws them when a batch is asked for: any callable, images
    [faces, 3, rows, columns] from -1 to 1 -> 11 logits a pixel. A segmenter trained on renders will not do:
    it fails on photos.
    """

    layout: Literal["folder", "ffhq", "celebamask"]
    root: FolderName | None
    resolution: Annotated[int, Ge(16), Le(1024)]
    splits: Splits
    limit: Count | None  # so many photos, drawn by a hash of their names; None: all
    parser: Annotated[Callable[..., Any] | None, BeforeValidator(_callable)]
    yaw_sign: Literal[1, -1]  # which way the set's pose file counts
    cache_dir: Name | None  # None: in memory

    photos = deferred_property("ohlora.laboratory.sources.photos", "photos_of")
    split_of = deferred_property("ohlora.laboratory.sources.photos", "splits_of")
    ranges = deferred_property("ohlora.laboratory.sources.photos", "ranges_of")
    pixels = deferred_property("ohlora.laboratory.sources.photos", "pixels_of")
    key = deferred_property("ohlora.laboratory.sources.photos", "key_of_pixels")
    read_pixels = deferred("ohlora.laboratory.sources.photos", "read_pixels")
    part = deferred("ohlora.laboratory.sources.photos", "photo_part")
    wanted = deferred("ohlora.laboratory.sources.photos", "wanted_of")

    def load(self) -> Any:
        """Raise OhloraError: where a classification dataset is wanted, faces are none."""
        raise OhloraError("photos of faces have no classes to tell apart: they are for model=face_*")

    @property
    def has_maps(self) -> bool:
        return bool(self.photos[0].masks)

    @property
    def provenance(self) -> dict[str, str]:
        """Where each thing that is known of a face comes from."""
        maps = "given" if self.has_maps else "predicted" if self.parser else MISSING
        known = {
            name: "given" if any(math.isfinite(getattr(photo, name)) for photo in self.photos) else MISSING
            for name in ("gender", "quality", "young", "glasses", "yaw")
        }
        return {
            "label_maps": maps,
            "properties": MISSING if maps == MISSING else f"scored on {maps} maps",
            **known,
            "identity": MISSING if self.photos[0].identity is None else "given",
        }

    @property
    def has_twins(self) -> bool:
        return False

    @property
    def domain(self) -> str:
        return f"photos. {LICENCES.get(self.layout, 'Their rights are those of the folder.')}"

    @property
    def properties(self) -> Mapping[str, Real]:
        return self.ranges

    def best_accuracy(self, target: str) -> None:
        """None: what the best possible judge of photos reaches is not known."""


def _faces(dataset: Any) -> Any:
    if not isinstance(dataset, RenderedFaces | PhotoFaces):
        raise ValueError(
            "models of faces are trained on faces: dataset=faces | faces_folder | faces_ffhq |"
            " faces_celebamask"
        )
    return dataset


FaceDataset = Annotated[RenderedFaces | PhotoFaces, BeforeValidator(_faces)]
