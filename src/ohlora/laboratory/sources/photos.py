"""Photos as faces: FFHQ, CelebAMask-HQ or any folder of crops, read once and kept small. Never downloads."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

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
from ohlora.laboratory.sources.settings import LICENCES, MISSING, PhotoFaces
from ohlora.laboratory.sources.source import InOrder, digest
from ohlora.space import Real

VERSION = 2  # of what is read into the cache; raise it when the same files give other pixels
SEEN = 16  # photos whose predicted maps tell one parser from another
RANGE = (0.01, 0.99)  # quantiles: beyond lie what a map has wrong
BROKEN = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@cache
def say_licence(layout: str) -> None:
    """Print the terms of a set, once in a process."""
    if layout in LICENCES:
        print(f"{LICENCES[layout]} Do not pass on photos, or what was made from them.", file=sys.stderr)


class BadPhoto(Exception):
    """What is wrong with one photo or its map, in a few words."""


def photos_of(source: PhotoFaces) -> list[Photo]:
    """What is there, by its files alone; of more than `limit`, those that are drawn, in their order."""
    say_licence(source.layout)
    photos = find_photos(source.layout, source.root, source.resolution)
    return [photos[row] for row in sorted(shuffled(photos)[: source.limit])]


def shuffled(photos: Sequence[Photo]) -> list[int]:
    """Positions of photos in an order of chance, the same on every machine: by a hash of their names.

    Folders are often sorted, men/ before women/: their first photos would be all alike.
    """
    # Apart from the hash that a split is drawn by, which would give a limited set photos of one split only.
    keys = [hashlib.sha256(f"order of {photo.name}".encode()).digest() for photo in photos]
    return sorted(range(len(photos)), key=keys.__getitem__)


def splits_of(source: PhotoFaces) -> Tensor:
    """Position in `splits` of each photo, int64 [photos]: the set's own, else by a hash of its name.

    Where it is known who is in a photo, of the person, so that nobody is in two parts.
    """
    names = list(source.splits)
    return torch.tensor([names.index(drawn_split(photo, source.splits)) for photo in source.photos])


def ranges_of(source: PhotoFaces) -> dict[str, Real]:
    """The soft scores (v3) and between which values nearly all photos of the first split lie."""
    values = source.part(next(iter(source.splits))).properties
    low, high = values.quantile(torch.tensor(RANGE), dim=0).tolist()
    return {
        name: Real(a, b if b > a else a + 1e-3)  # a score that no photo varies in
        for name, a, b in zip(SOFT_SCORES, low, high, strict=True)
    }


def pixels_of(source: PhotoFaces) -> np.ndarray:
    """Red, green, blue and label of every photo, uint8 [photos, 4, resolution, resolution].

    All files are read here, once, so that a broken one is found before any training.
    """
    shape = (len(source.photos), 4, source.resolution, source.resolution)
    if source.cache_dir is None:
        pixels = np.empty(shape, dtype=np.uint8)
        for row, one in enumerate(source.read_pixels()):
            pixels[row] = one
        return pixels
    path = Path(source.cache_dir) / "photos" / f"{source.key}.npy"
    if not path.is_file():
        # Written as a file: a memory map stays open as long as an error refers to it, and Windows removes
        # no open file.
        with replacing(path) as part, part.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for one in source.read_pixels():
                file.write(one.tobytes())
    return np.load(path, mmap_mode="r")


def key_of_pixels(source: PhotoFaces) -> str:
    """Names everything that decides the pixels: the files, their sizes and times, and the resolution."""
    digest = hashlib.sha256(f"{VERSION} {source.layout} {source.resolution}".encode())
    for photo in source.photos:
        for name, path in {"image": photo.image, **photo.masks}.items():
            stat = path.stat()
            digest.update(f"{photo.name} {name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def read_pixels(source: PhotoFaces) -> Iterator[np.ndarray]:
    """Read every photo, uint8 [4, resolution, resolution]; at the end OhloraError names what is of no use."""
    faults: dict[str, list[str]] = {}
    scales = deep_scales(photo.image for photo in source.photos)
    for photo in source.photos:
        pixels = np.zeros((4, source.resolution, source.resolution), dtype=np.uint8)
        try:
            pixels[:3], shape = read_photo(photo.image, source.resolution, scales)
            if photo.masks:
                pixels[3] = read_map(photo, source.resolution, shape)
        except BadPhoto as fault:
            faults.setdefault(str(fault), []).append(photo.image.name)
        yield pixels
    if faults:
        reasons = "; ".join(f"{why}: {some(names)}" for why, names in faults.items())
        raise OhloraError(f"{source.root} as layout={source.layout}: {reasons}")


def photo_part(source: PhotoFaces, split: str, count: int | None = None) -> PhotoPart:
    """`count` photos of a split, drawn by a hash of their names, or all of them where there are fewer."""
    if split not in source.splits:
        raise OhloraError(f"split={split} is not one of {' | '.join(source.splits)}")
    order = torch.tensor(shuffled(source.photos))
    rows = order[source.split_of[order] == list(source.splits).index(split)]
    if not len(rows):
        raise OhloraError(
            f"split={split} of {source.root} has none of the {len(source.photos):,} photos:"
            " give more of them, or other dataset.splits"
        )
    assert source.pixels.shape[0] == len(source.photos)  # read now, not in the middle of a training
    return PhotoPart(source, split, rows[:count])


def wanted_of(source: PhotoFaces, split: str, count: int) -> Tensor:
    """What the photos of a split show, one after the other and again from the first."""
    shown = source.part(split, count).properties
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

    def label(self, name: str) -> Tensor | None:
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
            yaw = part.label("yaw")
            if yaw is not None:
                column = SOFT_SCORES.index("yaw")
                properties[:, column] = torch.where(yaw.isnan(), properties[:, column], source.yaw_sign * yaw)
        people = [source.photos[row].identity for row in part.positions.tolist()]
        return Faces(
            images=images,
            label_maps=label_maps,
            properties=properties,
            gender=part.label("gender"),
            quality=part.label("quality"),
            identity=None if None in people else torch.tensor(people),
            twin_of=torch.full((len(part),), -1),
            split=source.split_of[part.positions],
        )

    def fingerprint(self, *labels: str) -> str:
        """Names all that is learned from these photos: which they are, these labels, yaw, and the maps.

        Given maps are in the source's key; of a parser the maps of the first few photos are taken.
        """
        source, yaw = self.source, self.label("yaw")
        known = [self.label(name) for name in labels] + [None if yaw is None else source.yaw_sign * yaw]
        if source.parser is not None and not source.has_maps:
            known.append(replace(self, positions=self.positions[:SEEN]).whole().label_maps)
        return digest(f"{source.key} {self.split}", self.positions, *known)

    def in_order(self, twins: bool = False) -> InOrder:
        """All of them, once, in batches."""
        return InOrder(self, twins)

    def whole(self) -> Faces:
        return self.faces(torch.arange(len(self)))


def parsed(parser: Parser, images: Tensor) -> Tensor:
    """Label maps, uint8 [faces, rows, columns], as a parser sees uint8 images."""
    return class_logits(parser, to_network(images)).argmax(dim=1).byte()
