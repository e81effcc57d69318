"""Photos as faces: FFHQ, CelebAMask-HQ or any folder of crops, read once and kept small. Never downloads."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ohlora.datasets.image_files import (
    UnreadableImage,
    eight_bits,
    full_scale,
    open_upright,
    peak,
)
from ohlora.durable import replacing
from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.parser import Parser, class_logits
from ohlora.laboratory.measures.scores import SOFT_SCORES, one_hot, soft_scores
from ohlora.laboratory.sources.faces import Faces
from ohlora.laboratory.sources.parsing import painted, sided
from ohlora.laboratory.sources.photo_files import Photo, find_photos, some
from ohlora.laboratory.sources.source import MISSING, InOrder
from ohlora.space import Real

VERSION = 2  # of what is read into the cache; raise it when the same files give other pixels
RESOLUTIONS = (16, 1024)
LICENCES = {
    "ffhq": "FFHQ is under CC BY-NC-SA 4.0 and its photos under their own licences: not for commercial use.",
    "celebamask": "CelebAMask-HQ is for non-commercial research and education only.",
}
RANGE = (0.01, 0.99)  # quantiles: beyond lie what a map has wrong
BROKEN = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@cache
def say_licence(layout: str) -> None:
    """Print the terms of a set, once in a process."""
    if layout in LICENCES:
        print(f"{LICENCES[layout]} Do not pass on photos, or what was made from them.", file=sys.stderr)


class BadPhoto(Exception):
    """What is wrong with one photo or its map, in a few words."""


@dataclass(frozen=True)
class PhotoFaces:
    """A set of photos.

    Where the set has no label maps, `parser` draws them when a batch is asked for: any callable, images
    [faces, 3, rows, columns] from -1 to 1 -> 11 logits a pixel. A segmenter trained on renders will not do:
    it fails on photos.
    """

    layout: str  # folder | ffhq | celebamask
    root: str | None
    resolution: int
    splits: Mapping[str, float]
    limit: int | None  # the first so many photos; None: all
    parser: Parser | None
    yaw_sign: int  # 1 or -1: which way the set's pose file counts
    cache_dir: str | None  # None: in memory

    def load(self) -> Any:
        """Told to whoever wants a classification dataset."""
        raise OhloraError("photos of faces have no classes to tell apart: they are for model=face_*")

    def check(self) -> None:
        """Every setting that cannot be."""
        low, high = RESOLUTIONS
        faults = []
        if type(self.resolution) is not int or not low <= self.resolution <= high:
            faults.append(f"dataset.resolution={self.resolution} is not a whole number from {low} to {high}")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            faults.append(f"dataset.limit={self.limit} is not a number of photos, 1 or more")
        if self.yaw_sign not in (1, -1):
            faults.append(f"dataset.yaw_sign={self.yaw_sign} is not 1 or -1")
        if min(self.splits.values()) < 0 or abs(sum(self.splits.values()) - 1) > 1e-9:
            faults.append(f"dataset.splits={dict(self.splits)} do not share out 1")
        if self.parser is not None and not callable(self.parser):
            faults.append("dataset.parser is nothing that can be called")
        if faults:
            raise OhloraError("; ".join(faults))

    @cached_property
    def photos(self) -> list[Photo]:
        """What is there, by its files alone."""
        self.check()
        say_licence(self.layout)
        return find_photos(self.layout, self.root, self.resolution)[: self.limit]

    @cached_property
    def has_maps(self) -> bool:
        return bool(self.photos[0].masks)

    @cached_property
    def split_of(self) -> Tensor:
        """Position in `splits` of each photo, int64 [photos]: the set's own, else by a hash of its name.

        Where it is known who is in a photo, of the person, so that nobody is in two parts.
        """
        names = list(self.splits)
        return torch.tensor([names.index(drawn_split(photo, self.splits)) for photo in self.photos])

    @property
    def provenance(self) -> dict[str, str]:
        """Where each thing that is known of a face comes from."""
        maps = "given" if self.has_maps else "predicted" if self.parser else MISSING
        known = {
            name: "given" if any(np.isfinite(getattr(photo, name)) for photo in self.photos) else MISSING
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

    @cached_property
    def ranges(self) -> dict[str, Real]:
        """The soft scores (v3) and between which values nearly all photos of the first split lie."""
        values = self.part(next(iter(self.splits))).properties
        low, high = values.quantile(torch.tensor(RANGE), dim=0).tolist()
        return {
            name: Real(a, b if b > a else a + 1e-3)  # a score that no photo varies in
            for name, a, b in zip(SOFT_SCORES, low, high, strict=True)
        }

    def best_accuracy(self, target: str) -> None:
        """Nobody knows."""

    @cached_property
    def pixels(self) -> np.ndarray:
        """Red, green, blue and label of every photo, uint8 [photos, 4, resolution, resolution].

        All files are read here, once, so that a broken one is found before any training.
        """
        shape = (len(self.photos), 4, self.resolution, self.resolution)
        if self.cache_dir is None:
            pixels = np.zeros(shape, dtype=np.uint8)
            self.read_into(pixels)
            return pixels
        path = Path(self.cache_dir) / "photos" / f"{self.key}.npy"
        if not path.is_file():
            with replacing(path) as part:
                pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
                self.read_into(pixels)
                pixels.flush()
                del pixels
        return np.load(path, mmap_mode="r")

    @property
    def key(self) -> str:
        """Names everything that decides the pixels: the files, their sizes and times, and the resolution."""
        digest = hashlib.sha256(f"{VERSION} {self.layout} {self.resolution}".encode())
        for photo in self.photos:
            for name, path in {"image": photo.image, **photo.masks}.items():
                stat = path.stat()
                digest.update(f"{photo.name} {name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]

    def read_into(self, pixels: np.ndarray) -> None:
        """Read every photo; OhloraError names those that cannot be used."""
        faults: dict[str, list[str]] = {}
        scales = deep_scales(photo.image for photo in self.photos)
        for row, photo in enumerate(self.photos):
            try:
                pixels[row, :3], shape = read_photo(photo.image, self.resolution, scales)
                if photo.masks:
                    pixels[row, 3] = read_map(photo, self.resolution, shape)
            except BadPhoto as fault:
                faults.setdefault(str(fault), []).append(photo.image.name)
        if faults:
            reasons = "; ".join(f"{why}: {some(names)}" for why, names in faults.items())
            raise OhloraError(f"{self.root} as layout={self.layout}: {reasons}")

    def part(self, split: str, count: int | None = None) -> PhotoPart:
        """The first `count` photos of a split, or all of them where there are fewer."""
        if split not in self.splits:
            raise OhloraError(f"split={split} is not one of {' | '.join(self.splits)}")
        rows = (self.split_of == list(self.splits).index(split)).nonzero()[:, 0]
        if not len(rows):
            raise OhloraError(
                f"split={split} of {self.root} has none of the {len(self.photos):,} photos:"
                " give more of them, or other dataset.splits"
            )
        assert self.pixels.shape[0] == len(self.photos)  # read now, not in the middle of a training
        return PhotoPart(self, split, rows[:count])

    def wanted(self, split: str, count: int) -> Tensor:
        """What the photos of a split show, one after the other and again from the first."""
        shown = self.part(split, count).properties
        return shown[torch.arange(count) % len(shown)]


def drawn_split(photo: Photo, splits: Mapping[str, float]) -> str:
    """The split of one photo, by its share of a hash."""
    allowed = {name: share for name, share in splits.items() if not photo.splits or name in photo.splits}
    if not allowed:
        raise OhloraError(
            f"{photo.image} is of split {' or '.join(photo.splits)}; splits: {' | '.join(splits)}"
        )
    text = photo.name if photo.identity is None else f"person {photo.identity}"
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64 * sum(allowed.values())
    for name, share in allowed.items():
        place -= share
        if place < 0:
            return name
    return list(allowed)[-1]


def square(image: Image.Image) -> Image.Image:
    """The middle of an image, as wide as high."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def deep_scales(paths: Iterable[Path]) -> dict[str, float]:
    """What becomes 255 in pictures of more than 8 bits, by their mode: one scale for the whole set."""
    peaks: dict[str, list[float]] = {}
    for path in paths:
        with suppress(*BROKEN, UnreadableImage):  # told when it is read
            with Image.open(path) as file:
                deep = file.mode == "F" or file.mode.startswith("I")
            if deep:
                picture = open_upright(path)
                peaks.setdefault(picture.mode, []).append(peak(picture))
    return {mode: full_scale(max(values), mode) for mode, values in peaks.items()}


def read_photo(path: Path, resolution: int, scales: Mapping[str, float]) -> tuple[np.ndarray, float]:
    """A photo's middle, upright, uint8 [3, resolution, resolution], and its width over its height."""
    try:
        upright = open_upright(path, at_least=2 * resolution)  # JPEGs need not be decoded larger
    except UnreadableImage:
        raise BadPhoto("cannot be read as images") from None
    if upright.mode != "RGB":
        upright = eight_bits(upright, scales[upright.mode])
    if min(upright.size) < resolution:
        raise BadPhoto(f"smaller than resolution={resolution}")
    small = square(upright).resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(small).transpose(2, 0, 1), upright.width / upright.height


def read_map(photo: Photo, resolution: int, shape: float) -> np.ndarray:
    """A photo's label map, uint8 [resolution, resolution], each pixel the class at its middle."""
    layers = {}
    for part, path in photo.masks.items():
        try:
            with Image.open(path) as file:
                image = file.convert("L") if part else file.copy()
        except BROKEN:
            raise BadPhoto(f"a map or mask cannot be read ({path.name})") from None
        if np.asarray(image).ndim != 2:
            raise BadPhoto("the map has colours, not one class number a pixel")
        if abs(image.width / image.height - shape) > 0.02:
            raise BadPhoto("the map has another shape than the image")
        small = square(image).resize((resolution, resolution), Image.Resampling.NEAREST)
        layers[part] = torch.from_numpy(np.asarray(small).astype(np.int64))
    if "" in layers:
        labels = layers[""]
        if int(labels.max()) >= len(classes.CLASSES):
            raise BadPhoto(f"the map has classes beyond {len(classes.CLASSES) - 1}")
        return sided(labels.byte()[None])[0].numpy()
    return painted({part: mask > 127 for part, mask in layers.items()}).numpy()


@dataclass(frozen=True)
class PhotoPart:
    """Some photos of one split, as batches. Row i is the same photo whoever asks, whenever."""

    source: PhotoFaces
    split: str
    positions: Tensor  # int64, in the source's photos

    def __len__(self) -> int:
        return len(self.positions)

    def keep(self, rows: Tensor) -> PhotoPart:
        """Only these rows, numbers or a mask."""
        if not len(self.positions[rows]):
            raise OhloraError(f"no photo is left of {len(self):,} of split={self.split}")
        return replace(self, positions=self.positions[rows])

    def told(self, name: str) -> Tensor | None:
        """gender, quality, young, glasses or yaw of each photo, float32, NaN where missing; or None."""
        photos = self.source.photos
        values = torch.tensor([getattr(photos[row], name) for row in self.positions.tolist()])
        return None if bool(values.isnan().all()) else values

    @property
    def properties(self) -> Tensor:
        return self.scores

    @cached_property
    def scores(self) -> Tensor:
        """Soft scores (v3) of all of them, float32 [photos, 8]; OhloraError where there is no map."""
        if self.source.provenance["properties"] == MISSING:
            raise OhloraError(f"{self.source.root} has no label maps to score properties on: give a parser")
        batches = [faces.properties for faces in self.in_order()]
        return torch.cat([one for one in batches if one is not None])

    def labelled_by_hand(self) -> PhotoPart:
        """Photos have no other labels."""
        return self

    def faces(self, rows: Tensor, twins: bool = False) -> Faces:
        """These rows as one batch. Properties are soft scores (v3) of the map, as SOFT_SCORES has them."""
        if twins:
            raise OhloraError("photos have no counterfactual twins; renders have (dataset=faces)")
        part, source = replace(self, positions=self.positions[rows]), self.source
        pixels = torch.from_numpy(np.array(source.pixels[part.positions.numpy()]))
        images, label_maps = pixels[:, :3], None
        if source.has_maps:
            label_maps = pixels[:, 3]
        elif source.parser is not None:
            label_maps = parsed(source.parser, images)
        properties = None
        if label_maps is not None:
            properties = soft_scores(one_hot(label_maps), to_network(images))
            yaw = part.told("yaw")
            if yaw is not None:
                column = SOFT_SCORES.index("yaw")
                properties[:, column] = torch.where(yaw.isnan(), properties[:, column], source.yaw_sign * yaw)
        people = [source.photos[row].identity for row in part.positions.tolist()]
        return Faces(
            images=images,
            label_maps=label_maps,
            properties=properties,
            gender=part.told("gender"),
            quality=part.told("quality"),
            identity=None if None in people else torch.tensor(people),
            twin_of=torch.full((len(part),), -1),
            split=source.split_of[part.positions],
        )

    def in_order(self, twins: bool = False) -> InOrder:
        """All of them, once, in batches."""
        return InOrder(self, twins)

    def whole(self) -> Faces:
        return self.faces(torch.arange(len(self)))


def parsed(parser: Parser, images: Tensor) -> Tensor:
    """Label maps, uint8 [faces, rows, columns], as a parser sees uint8 images."""
    return class_logits(parser, to_network(images)).argmax(dim=1).byte()
