"""A folder of class folders, as people keep their images -> a dataset."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ohlora.datasets.images import ImageData, Split, require_classes, stratified_halves
from ohlora.datasets.readers import Folder
from ohlora.errors import OhloraError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


def load_folder(reader: Folder) -> ImageData:
    if not reader.root:
        raise OhloraError("dataset=folder needs dataset.root=DIR, a directory of class folders")
    root = Path(reader.root).expanduser()
    if not root.is_dir():
        raise OhloraError(f"dataset.root={reader.root} is not a directory")
    parts = {path.name: path for path in root.iterdir() if path.is_dir()}
    if {"train", "test"} <= parts.keys():
        train, test = read_classes(reader, parts["train"]), read_classes(reader, parts["test"])
        if train[2] != test[2]:
            raise OhloraError(f"{root}: train has the classes {train[2]}, test has {test[2]}")
        grey = all(bool((a == a[:, :1]).all()) for a in (train[0], test[0]))
        keep = slice(0, 1) if grey else slice(None)
        splits = [
            Split(torch.from_numpy(a[:, keep].copy()), torch.from_numpy(b)) for a, b, _ in (train, test)
        ]
        classes = train[2]
    else:
        images, labels, classes = read_classes(reader, root)
        if bool((images == images[:, :1]).all()):
            images = images[:, :1].copy()
        whole = Split(torch.from_numpy(images), torch.from_numpy(labels))
        splits = [whole.take(rows) for rows in stratified_halves(labels, second_share=0.2)]
    name = "".join(c if c.isalnum() else "_" for c in root.resolve().name)
    # Two folders of one name, or one that has grown, are not the same dataset in the records.
    digest = hashlib.sha256()
    for split in splits:
        digest.update(np.array(split.images.shape, dtype=np.int64).tobytes())
        digest.update(split.images.contiguous().numpy().tobytes())
        digest.update(split.labels.numpy().tobytes())
    identity = f"folder_{name}_{digest.hexdigest()[:8]}"
    return require_classes(ImageData(identity, f"folder {name}", tuple(classes), *splits))


def read_classes(reader: Folder, root: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = {
        folder.name: sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        for folder in folders
    }
    empty = [name for name, paths in files.items() if not paths]
    faults = []
    if len(files) - len(empty) < 2:
        faults.append(
            f"{root} has {len(files) - len(empty)} class folders with images; two or more are needed"
        )
    if empty and files:
        faults.append(f"no images in: {', '.join(empty[:5])}{' …' * (len(empty) > 5)}")
    images, labels, broken = [], [], []
    for label, (_, paths) in enumerate(sorted(files.items())):
        for path in paths:
            try:
                with Image.open(path) as image:
                    upright = ImageOps.exif_transpose(image).convert("RGB")
                    square = upright.resize((reader.image_size, reader.image_size), Image.Resampling.BILINEAR)
            except (
                UnidentifiedImageError,
                OSError,
                ValueError,
                SyntaxError,
                Image.DecompressionBombError,
            ):
                broken.append(path.relative_to(root).as_posix())
                continue
            images.append(np.asarray(square).transpose(2, 0, 1))
            labels.append(label)
    if broken:
        names = ", ".join(broken[:5]) + " …" * (len(broken) > 5)
        faults.append(f"{len(broken)} files cannot be read as images: {names}")
    if faults:
        raise OhloraError("; ".join(faults) + f" (allowed: one folder a class, {' '.join(IMAGE_SUFFIXES)})")
    return np.stack(images), np.array(labels, dtype=np.int64), sorted(files)
