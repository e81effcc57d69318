"""A saved network that scores any face: a segmenter, whose maps are measured, or a property regressor."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.drawing.classes import CLASSES
from ohlora.face.drawing.generator import to_network, to_uint8
from ohlora.face.trained.evaluate import evaluating
from ohlora.face.trained.stylegan.pretrained import card_kind
from ohlora.laboratory.measures.scores import SOFT_SCORES, soft_scores
from ohlora.laboratory.networks.regressor import REGRESSOR_KIND, Regressor, load_regressor
from ohlora.laboratory.networks.segmenter import SEGMENTER_KIND, Segmenter, load_segmenter
from ohlora.laboratory.networks.settings import SavedParser
from ohlora.laboratory.sources.settings import RENDERED
from ohlora.text import printable

KINDS = (REGRESSOR_KIND, SEGMENTER_KIND)  # a file that is not there is said to be the last, the usual one


@dataclass(frozen=True)
class Labeller:
    """Scores of pictures of any size, which are resized to the network's own."""

    network: Segmenter | Regressor

    @property
    def names(self) -> tuple[str, ...]:
        """What it scores, in the order of the columns."""
        return SOFT_SCORES if isinstance(self.network, Segmenter) else self.network.properties

    @torch.no_grad()
    def measure(self, images: Tensor) -> Tensor:
        """Scores [faces, names], raw, of uint8 images; of maps, openings are shares of face and mouth."""
        small = self.resized(images)
        if isinstance(self.network, Regressor):
            return self.network.measure(small)
        return soft_scores(self.network.probabilities(small), to_network(small))

    def label_maps(self, images: Tensor) -> Tensor:
        """Class maps of uint8 images at their size; a regressor sees no background."""
        if isinstance(self.network, Regressor):
            nothing = torch.full((len(images), *images.shape[-2:]), CLASSES.index("skin"), dtype=torch.uint8)
            return nothing
        maps = self.network.label_maps(self.resized(images))
        return F.interpolate(maps[:, None].float(), images.shape[-2:], mode="nearest")[:, 0].byte()

    def resized(self, images: Tensor) -> Tensor:
        side = self.network.resolution
        if images.shape[-1] == side:
            return images
        shape = (side, side)
        return to_uint8(F.interpolate(to_network(images), shape, mode="bilinear", antialias=True))


@dataclass(frozen=True)
class SegmentingParser:
    """A Parser (face/trained/parser.py): pictures are resized to the segmenter's size, its logits back."""

    segmenter: Segmenter

    def __call__(self, images: Tensor) -> Tensor:
        side, network = self.segmenter.resolution, self.segmenter.network
        own_size = images.shape[-1] == side
        small = images if own_size else F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        with evaluating(network):
            logits = network(small).float()
        return logits if own_size else F.interpolate(logits, images.shape[-2:], mode="bilinear")


def load_parser(saved: SavedParser) -> SegmentingParser:
    """The segmenter in its file; OhloraError where the file holds none."""
    assert saved.file is not None
    network = load_labeller(saved.file).network
    if not isinstance(network, Segmenter):
        raise OhloraError(f"parser={saved.file}: a regressor sees no hair; model=face_seg makes a segmenter")
    return SegmentingParser(network)


def load_labeller(file: str) -> Labeller:
    """The parser in `file`; OhloraError where it is neither a segmenter nor a regressor of faces."""
    path = Path(file).expanduser()
    path = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    try:
        load = load_regressor if card_kind(path, KINDS) == REGRESSOR_KIND else load_segmenter
        network = load(path.parent, path.name)
    except OhloraError as error:
        raise OhloraError(
            f"parser={file}: {error} (model=face_seg or model=face_props makes one, of your photos with"
            " dataset=faces_folder | faces_celebamask)"
        ) from None
    if (domain := network.card.get("domain")) == RENDERED:
        print(
            f"ohlora: parser={printable(file)} learned from {domain}: off photos, and off what a StyleGAN"
            " learned from them, it reads nonsense",
            file=sys.stderr,
        )
    return Labeller(network)
