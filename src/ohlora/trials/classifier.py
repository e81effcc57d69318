"""A trained classifier on disk: weights as safetensors, and a card. Loading runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, MinLen
from PIL import Image
from pydantic import Strict
from torch import Tensor

from ohlora.assets import DOES_NOT_FIT, load_model, save_model
from ohlora.config import Name, Positive, compared, config, deferred
from ohlora.datasets.image_files import (
    UnreadableImage,
    eight_bits,
    find_images,
    full_scale,
    is_there,
    not_utf8,
    open_upright,
    path_of,
    peak,
)
from ohlora.datasets.loading import EVAL_BATCH, SubsetDataModule
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.precision import one_thread
from ohlora.text import counted, printable
from ohlora.trials.cnn import CnnClassifier
from ohlora.trials.protocol import CnnSettings, Protocol

KIND = "image_classifier"
NAME = "classifier"
FILES_NAMED = 5  # in a message

Side = Annotated[int, Ge(1), Le(4096)]
Numbers = Annotated[tuple[float, ...], Strict(False), MinLen(1)]


@dataclass(frozen=True)
class Prediction:
    """What a classifier sees on one image."""

    file: str
    label: str
    probability: float  # of that label, 0 to 1
    probabilities: dict[str, float]  # of every class


@dataclass(frozen=True)
class ImageClassifier:
    """A trained network with the names of its classes and the scale of the images it was trained on."""

    network: CnnClassifier
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]  # channels, height, width
    mean: Tensor  # [1, channels, 1, 1], of the training images' pixels, 0 to 1
    std: Tensor  # [1, channels, 1, 1]
    card: dict[str, Any]

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Logits float32 [n, classes] of images uint8 [n, channels, height, width] of `image_shape`."""
        return self.network((images.float() / 255 - self.mean) / self.std)

    def predict(
        self, files: str | Path | Iterable[str | Path], skip_unreadable: bool = False
    ) -> list[Prediction]:
        """What is seen on image files, one for each in their order; a folder stands for every image below it.

        Raises OhloraError naming what is no image, unless that is to be skipped.
        """
        given = [files] if isinstance(files, str | Path) else list(files)
        named = [str(file) for file in image_files(given)]
        pictures = self.read(map(Path, named), skip_unreadable)
        seen = dict(zip(pictures, self.probabilities(pictures.values()), strict=True))
        return [
            Prediction(file, self.class_names[int(row.argmax())], float(row.max()), self.named(row))
            for file, row in ((file, seen[file]) for file in named if file in seen)
        ]

    @one_thread()
    def probabilities(self, images: Iterable[Tensor]) -> Tensor:
        """Of each class, float64 [n, classes]; images are uint8 [channels, height, width]."""
        every = list(images)
        batches = [torch.stack(every[i : i + EVAL_BATCH]) for i in range(0, len(every), EVAL_BATCH)]
        return torch.cat([self.logits(batch).double().softmax(dim=1) for batch in batches])

    def named(self, row: Tensor) -> dict[str, float]:
        return dict(zip(self.class_names, row.tolist(), strict=True))

    def read(self, files: Iterable[Path], skip_unreadable: bool = False) -> dict[str, Tensor]:
        """Each image file once, by its name, as the network takes it, uint8 [channels, height, width]."""
        every, found, broken = dict.fromkeys(files), {}, []
        for file in every:
            try:
                found[str(file)] = self.as_input(open_upright(file))
            except UnreadableImage as error:
                plain = error.why.startswith("cannot be read")
                broken.append(printable(file if plain else f"{file} {error.why}"))
        if broken and not skip_unreadable:
            of_all = f"{len(broken)} of {counted(len(every), 'file')}"
            raise OhloraError(f"{of_all} cannot be read as images: {first_few(broken)}")
        if not found:
            raise OhloraError("none of the files can be read as an image")
        return found

    def as_input(self, picture: Image.Image) -> Tensor:
        """A picture scaled and squashed as the training images were."""
        channels, height, width = self.image_shape
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        if small.mode != "RGB":
            scale = self.card.get("scales", {}).get(small.mode) or full_scale(peak(picture), small.mode)
            small = eight_bits(small, scale)
        array = np.array(small.convert("L"))[None] if channels == 1 else np.array(small).transpose(2, 0, 1)
        return torch.from_numpy(array)

    save_onnx = deferred("ohlora.trials.onnx_file", "save_onnx")


def image_files(given: Iterable[str | Path]) -> list[Path]:
    """Files as often as named, and every image below folders once; OhloraError for what is not there."""
    files: list[Path] = []
    faults: list[str] = []
    below: set[Path] = set()
    for one in given:
        try:
            path = path_of(one, "an image file or a folder of them")
            found = images_at(path)
        except OhloraError as error:
            faults.append(str(error))
            continue
        files += [file for file in found if file == path or file not in below]
        below.update(found)
    if foreign := not_utf8(files):
        faults.append(f"images whose names are not UTF-8: {first_few(foreign)}; rename them")
    if faults:
        raise OhloraError(first_few(faults, "; "))
    if not files:
        raise OhloraError("no image files were named")
    return files


def images_at(path: Path) -> list[Path]:
    """A file, or every image below a folder; OhloraError where there is none."""
    if not is_there(path):
        raise OhloraError(f"{printable(path)}: no such file or folder")
    if not path.is_dir():
        return [path]
    try:
        found = find_images(path).images
    except PermissionError as error:
        raise OhloraError(f"{printable(error.filename)} may not be read (permission denied)") from None
    if not found:
        raise OhloraError(f"{printable(path)} has no images in it")
    return found


def first_few(said: Sequence[str], between: str = ", ") -> str:
    return f"{between.join(said[:FILES_NAMED])}{' ...' * (len(said) > FILES_NAMED)}"


def save_classifier(
    folder: Path, module: CnnClassifier, subset: Subset, protocol: Protocol, said: Mapping[str, Any]
) -> Path:
    """Write `classifier.safetensors` and `classifier.json`; return the path of the weights.

    `subset.train` is what the network was trained on; `said` goes on the card: scores, how it came about.
    """
    return save_model(folder, NAME, module.state_dict(), card_of(module, subset, protocol, said))


def card_of(
    module: CnnClassifier, subset: Subset, protocol: Protocol, said: Mapping[str, Any]
) -> dict[str, Any]:
    data = SubsetDataModule(subset, batch_size=1, seed=0)
    card = {
        "kind": KIND,
        "class_names": list(subset.class_names),
        "image_shape": list(subset.image_shape),
        "mean": data.mean.flatten().tolist(),
        "std": data.std.flatten().tolist(),
        "params": module.params,
        "protocol": {"fingerprint": protocol.fingerprint, **asdict(protocol)},
        "subset": {**asdict(subset.recipe), "title": subset.title},
        **said,
    }
    return {**card, "sha256": digest(card)}


def digest(card: Mapping[str, Any]) -> str:
    """Of what a card says that the weights mean nothing without; scores and history are not part of it."""
    meant = {name: card[name] for name in ClassifierCard.names() if name in card}
    return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()


@config
class ClassifierCard:
    """What a classifier's card must say for its weights to mean anything."""

    class_names: Annotated[tuple[Name, ...], Strict(False), MinLen(2)]
    image_shape: Annotated[tuple[Side, Side, Side], Strict(False)]
    mean: Numbers
    std: Annotated[tuple[Annotated[float, Gt(0)], ...], Strict(False), MinLen(1)]
    params: dict[Name, float | int | str]
    protocol: dict[Name, Any]
    scales: dict[Name, Positive]  # Pillow's mode -> the value that becomes white in deeper pictures

    @compared
    def _fits_together(self) -> None:
        channels = self.image_shape[0]
        if channels not in (1, 3):
            raise ValueError(f"image_shape has {channels} channels; 1 or 3 are known")
        if {len(self.mean), len(self.std)} != {channels}:
            raise ValueError(f"mean and std are not of {channels} channels")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("class_names has a name twice")

    @classmethod
    def names(cls) -> list[str]:
        return [one.name for one in fields(cls)]  # type: ignore[arg-type]

    @classmethod
    def read(cls, card: Mapping[str, Any]) -> ClassifierCard:
        given: dict[str, Any] = {name: card[name] for name in cls.names() if name in card}
        return cls(**{"scales": {}, **given})


def load_classifier(folder: Path) -> ImageClassifier:
    """What `save_classifier` wrote; OhloraError where it is missing, damaged or something else."""
    tensors, card = load_model(folder, NAME, KIND)
    try:
        classifier = classifier_of(ClassifierCard.read(card), tensors, card)
    except (*DOES_NOT_FIT, OhloraError) as error:
        why = " ".join(str(error).split())[:300]
        raise OhloraError(f"{folder / NAME}: the card and the weights are of no classifier ({why})") from None
    if card.get("sha256", digest(card)) != digest(card):  # cards of before it was written have none
        raise OhloraError(f"{folder / NAME}.json was altered: it is not the card that was written")
    return classifier


def classifier_of(
    said: ClassifierCard, tensors: Mapping[str, Tensor], card: dict[str, Any]
) -> ImageClassifier:
    """The classifier that a card describes; raises where the tensors are not what it says."""
    settings = asdict(CnnSettings(**said.protocol["network"]))
    with torch.device("meta"):  # no memory for what a card merely says: shapes are compared first
        network = CnnClassifier(dict(said.params), settings, said.image_shape, len(said.class_names), 1)
    expected = network.state_dict()
    if odd := [n for n, t in tensors.items() if n in expected and t.dtype != expected[n].dtype]:
        raise OhloraError(f"{', '.join(odd[:3])} has another type of numbers")
    network.load_state_dict(dict(tensors), assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (said.mean, said.std))
    return ImageClassifier(
        network.eval().requires_grad_(False), said.class_names, said.image_shape, mean, std, card
    )
