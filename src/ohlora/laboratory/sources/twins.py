"""Counterfactual pairs: the same person and photo, one property changed; and what such a change may touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.errors import OhloraError, nearest
from ohlora.face.drawing import classes
from ohlora.face.drawing.chance import uniform
from ohlora.face.drawing.population import Draws
from ohlora.face.drawing.renderer import RESOLUTIONS, Renderer
from ohlora.space import Real

EYES = (classes.LEFT_EYE, classes.RIGHT_EYE)
BROWS = (classes.LEFT_BROW, classes.RIGHT_BROW)
LIPS = (classes.UPPER_LIP, classes.INNER_MOUTH, classes.LOWER_LIP)

# The classes a property draws, and how far beyond them it reaches (lids, soft edges): shares of the picture.
PARTS: dict[str, tuple[tuple[int, ...], float]] = {
    "eyes": ((*EYES, *BROWS), 0.07),
    "hair_colour": ((classes.HAIR, *BROWS), 0.03),
    "hair_length": ((classes.HAIR,), 0.03),
    "mouth": (LIPS, 0.04),
    "background_mean": ((classes.BACKGROUND,), 0.012),
    "background_std": ((classes.BACKGROUND,), 0.012),
}
TURN_REACH = 0.06  # of ears, which are background to the label map, beyond the head
NECK = (0.70, 0.20, 0.80)  # of the picture: from this row down, between these columns, a neck may lean
FINER = 4  # a map of so many times the resolution knows what is thinner than a pixel


def twin(draws: Draws, properties: Mapping[str, Real], name: str, values: Tensor | float) -> Draws:
    """The same photos with another value of one property; identity, split and everything else stay."""
    names = list(properties)
    if name not in names:
        raise OhloraError(f"{name} is not a property{nearest(name, names)}; allowed: {', '.join(names)}")
    return draws.with_property(names.index(name), values)


def counterfactuals(draws: Draws, others: Tensor) -> Draws:
    """A twin to each photo: half of them differ in one property, the others in all, each by a hash.

    `others` [faces, properties] are the values taken over: those of another photo of the same person.
    """
    width = others.shape[1]
    alone, which = uniform(draws.identity.numpy(), "counterfactual", 2).T
    one = torch.from_numpy((which * width).astype("int64"))[:, None] == torch.arange(width)
    changed = one | torch.from_numpy(alone >= 0.5)[:, None]
    return replace(draws, properties=torch.where(changed, others, draws.properties))


def may_change(name: str, label_maps: Tensor, twin_maps: Tensor) -> Tensor:
    """Pixels [faces, rows, columns] that may differ between twins in property `name`, by both label maps.

    A turn of the head (roll, yaw) may change all but the background away from head and neck. What is too thin
    to be any pixel's class (a strand of hair) goes unseen.
    """
    labels, share = PARTS.get(name, ((), TURN_REACH))
    wanted = torch.tensor(labels, device=label_maps.device, dtype=label_maps.dtype)
    part = torch.isin(label_maps, wanted) | torch.isin(twin_maps, wanted)
    if name not in PARTS:
        part = (label_maps != classes.BACKGROUND) | (twin_maps != classes.BACKGROUND)
    reach = max(1, round(share * label_maps.shape[-1]))
    grown = F.max_pool2d(part[:, None].float(), 2 * reach + 1, 1, reach)
    changing = grown[:, 0] > 0
    if name not in PARTS:
        top, left, right = (round(edge * label_maps.shape[-1]) for edge in NECK)
        changing[:, top:, left:right] = True
    return changing


def may_show(name: str, renderer: Renderer, twins: Sequence[Draws]) -> Tensor:
    """Pixels [faces, rows, columns] of a renderer that may differ between twins in property `name`.

    Judged on maps of more pixels than the pictures have, and by the least hair, so that nothing is too thin.
    """
    finer = min(FINER, RESOLUTIONS[1] // renderer.resolution)
    fine = replace(renderer, resolution=finer * renderer.resolution)
    seen = [fine.picture(fine.mapping(draws.latents, draws.properties)) for draws in twins]
    maps = [picture.label_maps for picture in seen]
    if classes.HAIR in PARTS.get(name, ((),))[0]:
        maps = [picture.label_maps.where(picture.hair == 0, classes.HAIR) for picture in seen]
    return F.max_pool2d(may_change(name, *maps).float(), finer) > 0
