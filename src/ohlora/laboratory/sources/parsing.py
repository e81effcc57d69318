"""CelebAMask-HQ's nineteen classes as our eleven: of its mask files, and of networks trained on them.

What our classes do not name is background: ears, neck, clothes, hats, jewellery and glasses, though an eye
behind glasses stays an eye. Sets disagree about whose left a left eye is; here the picture decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.drawing import classes

# In the order they are painted over one another, as the set's own scripts do it.
PARTS: Mapping[str, int] = {
    "skin": classes.SKIN,
    "nose": classes.NOSE,
    "eye_g": classes.BACKGROUND,
    "l_eye": classes.LEFT_EYE,
    "r_eye": classes.RIGHT_EYE,
    "l_brow": classes.LEFT_BROW,
    "r_brow": classes.RIGHT_BROW,
    "l_ear": classes.BACKGROUND,
    "r_ear": classes.BACKGROUND,
    "mouth": classes.INNER_MOUTH,
    "u_lip": classes.UPPER_LIP,
    "l_lip": classes.LOWER_LIP,
    "hair": classes.HAIR,
    "hat": classes.BACKGROUND,
    "ear_r": classes.BACKGROUND,
    "neck_l": classes.BACKGROUND,
    "neck": classes.BACKGROUND,
    "cloth": classes.BACKGROUND,
}
# How networks number them: as the set's scripts do, or as the widespread BiSeNet (face-parsing.PyTorch) does.
ORDERS: Mapping[str, tuple[str, ...]] = {
    "celebamask": ("background", *PARTS),
    "bisenet": (
        *("background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r"),
        *("nose", "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat"),
    ),
}
PAIRS = ((classes.LEFT_BROW, classes.RIGHT_BROW), (classes.LEFT_EYE, classes.RIGHT_EYE))


def mean_x(mask: Tensor) -> Tensor:
    """Mean column of each mask [faces, rows, columns]; NaN where it is empty."""
    columns = mask.sum(dim=1).float()
    return (
        columns @ torch.arange(mask.shape[-1], dtype=torch.float32, device=mask.device) / columns.sum(dim=1)
    )


def wrong_sides(label_maps: Tensor) -> Tensor:
    """Whether left and right are the wrong way round, bool [faces, pairs]: the left one has the smaller x.

    One that is alone is measured against the nose, or where there is none, the face.
    """
    face = (label_maps != classes.BACKGROUND) & (label_maps != classes.HAIR)
    middle, of_face = mean_x(label_maps == classes.NOSE), mean_x(face)
    middle = torch.where(middle.isnan(), of_face, middle)
    wrong = []
    for left, right in PAIRS:
        left_x, right_x = mean_x(label_maps == left), mean_x(label_maps == right)
        alone = (right_x.isnan() & (left_x > middle)) | (left_x.isnan() & (right_x < middle))
        wrong.append((left_x > right_x) | alone)  # nothing is greater than NaN
    return torch.stack(wrong, dim=1)


def sided(label_maps: Tensor) -> Tensor:
    """Maps [faces, rows, columns] with brows and eyes named by the side of the picture they are on."""
    renamed = label_maps.clone()
    for (left, right), wrong in zip(PAIRS, wrong_sides(label_maps).T, strict=True):
        here = wrong[:, None, None]
        renamed[here & (label_maps == left)] = right
        renamed[here & (label_maps == right)] = left
    return renamed


def painted(masks: Mapping[str, Tensor]) -> Tensor:
    """One label map, uint8 [rows, columns], of the masks, bool [rows, columns], of the parts there are."""
    labels = torch.zeros_like(next(iter(masks.values())), dtype=torch.uint8)
    for part, label in PARTS.items():
        if part in masks:
            labels[masks[part]] = label
    return sided(labels[None])[0]


def to_eleven(logits: Tensor, order: Sequence[str]) -> Tensor:
    """Logits of our classes [faces, 11, rows, columns], of 19 in the given order.

    The probability of a class is the sum of its parts', hence the log of the sum of exponentials.
    """
    groups: list[list[int]] = [[] for _ in classes.CLASSES]
    for position, part in enumerate(order):
        groups[PARTS.get(part, classes.BACKGROUND)].append(position)
    ours = torch.stack([logits[:, group].logsumexp(dim=1) for group in groups], dim=1)
    turned = ours.clone()
    for (left, right), wrong in zip(PAIRS, wrong_sides(ours.argmax(dim=1)).T, strict=True):
        turned[wrong, left], turned[wrong, right] = ours[wrong, right], ours[wrong, left]
    return turned


@dataclass(frozen=True)
class CelebAMaskParser:
    """A Parser made of any network trained on CelebAMask-HQ's classes.

    Images are enlarged to `size`, the network's own, and normalised by `mean` and `std` of 0 to 1; of several
    outputs the first counts.
    """

    network: Callable[[Tensor], Tensor | Sequence[Tensor]]
    order: str  # celebamask | bisenet
    size: int = 512
    mean: Sequence[float] = (0.485, 0.456, 0.406)
    std: Sequence[float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise OhloraError(f"order={self.order} is not one of {' | '.join(ORDERS)}")

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits [faces, 11, rows, columns] of images [faces, 3, rows, columns], -1 to 1."""
        large = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        answer = self.network(((large + 1) / 2 - mean) / std)
        logits = answer if isinstance(answer, Tensor) else answer[0]
        wanted = len(ORDERS[self.order])
        if logits.dim() != 4 or logits.shape[1] != wanted:
            raise OhloraError(f"the parser gave {list(logits.shape)}, not [faces, {wanted}, rows, columns]")
        ours = to_eleven(logits.float(), ORDERS[self.order])
        return F.interpolate(ours, images.shape[-2:], mode="bilinear", antialias=True)
