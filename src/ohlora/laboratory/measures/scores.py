"""Property scores of label maps: the original's two algorithms, and a differentiable one of ours.

v1 and v2 are computed as the original's, for a whole batch at once. It worked on maps of 224 x 224; its rows
and pixel counts are scaled to the map at hand, and lengths are given in its pixels, so that scores of all
resolutions agree. Colours are 0 to 255. The slow literal formulas are in tests/face/reference_scores.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.face.drawing import classes

SCORES = ("eyes", "hair_colour", "hair_length", "mouth", "roll", "background_mean", "background_std")
SOFT_SCORES = (*SCORES, "yaw")
UPSTREAM_SIZE = 224
YAW_PER_OFFSET = 7.0  # least squares on 200 renders
FAINT = 0.15  # probabilities below this are noise whose sum over the whole picture would drown a small part


def rows_from(size: int, upstream_row: int) -> int:
    """The row of a map of `size` rows at the place of a row of 224."""
    return round(upstream_row * size / UPSTREAM_SIZE)


def v1_scores(label_maps: Tensor, images: Tensor) -> Tensor:
    """The first algorithm, [faces, 7] in the order of SCORES, of label maps and uint8 images of one size."""
    size = label_maps.shape[-1]
    unit = UPSTREAM_SIZE / size
    band = slice(rows_from(size, 56), rows_from(size, 140))
    eyes = [extent((label_maps == one)[:, band]) for one in (classes.LEFT_EYE, classes.RIGHT_EYE)]
    brightness = images.float().mean(dim=1)
    hair = label_maps == classes.HAIR
    lips = (label_maps == classes.UPPER_LIP) | (label_maps == classes.LOWER_LIP)
    mouth = extent(lips) + extent(label_maps == classes.INNER_MOUTH)
    columns = [
        (eyes[0] + eyes[1]) / 2 * unit,
        masked_median(brightness, hair),
        lowest_hair(hair),
        mouth * unit,
        -pearson_of_pixels(label_maps == classes.NOSE),
        *background_scores(label_maps, brightness),
    ]
    return torch.stack([column.float() for column in columns], dim=1)


def v2_scores(label_maps: Tensor, images: Tensor) -> Tensor:
    """The second algorithm, [faces, 7] in the order of SCORES."""
    size = label_maps.shape[-1]
    unit = UPSTREAM_SIZE / size
    left, right = label_maps == classes.LEFT_EYE, label_maps == classes.RIGHT_EYE
    eyes = torch.maximum(upright_height(left), upright_height(right)) * unit
    brightness = images.float().mean(dim=1)
    hair = label_maps == classes.HAIR
    inner = (label_maps == classes.INNER_MOUTH).flatten(1).sum(1)
    lips = ((label_maps == classes.UPPER_LIP) | (label_maps == classes.LOWER_LIP)).flatten(1).sum(1)
    has_hair = hair.flatten(1).any(1)
    colour = trimmed(brightness, hair, 0.10)[0]
    columns = [
        eyes,
        torch.where(has_hair, colour, torch.full_like(colour, 127.5)),
        hair_rows(hair),
        inner / (inner + lips).clamp_min(1),
        eye_slope(left, right),
        *background_scores(label_maps, brightness),
    ]
    return torch.stack([column.float() for column in columns], dim=1)


def extent(mask: Tensor) -> Tensor:
    """Last minus first row of each mask [faces, rows, columns], 0 where it is empty."""
    first, last = ends(mask.any(dim=2))
    return (last - first).clamp_min(0)


def ends(present: Tensor) -> tuple[Tensor, Tensor]:
    """First and last true position along the last axis; an empty line has its last before its first."""
    length = present.shape[-1]
    positions = torch.arange(length, device=present.device)
    first = torch.where(present, positions, length).amin(dim=-1)
    last = torch.where(present, positions, -1).amax(dim=-1)
    return first, last


def upright_height(mask: Tensor) -> Tensor:
    """The largest column height times the cosine of the tilt of the two pixels farthest apart.

    The farthest pair of any set lies on its outline, and so among the top and bottom pixels of its columns: a
    search over those is exact. Of equally far pairs the most level one counts. A single pixel is level.
    """
    faces, _, width = mask.shape
    top, bottom = ends(mask.transpose(1, 2))
    there = bottom >= top
    height = torch.where(there, bottom - top, 0).amax(dim=1)
    column = torch.arange(width, device=mask.device).expand(faces, width)
    x = torch.cat([column, column], dim=1)
    y = torch.cat([top, bottom], dim=1)
    usable = torch.cat([there, there], dim=1)
    dx = (x[:, :, None] - x[:, None, :]).abs()
    dy = (y[:, :, None] - y[:, None, :]).abs()
    # Whole numbers: squared distance first, then level-ness.
    far = torch.where(usable[:, :, None] & usable[:, None, :], dx * dx + dy * dy, -1).flatten(1)
    farthest = far.amax(dim=1)
    level = torch.where(far == farthest[:, None], dx.flatten(1), 0).amax(dim=1)
    cosine = torch.where(farthest > 0, level / farthest.clamp_min(1).float().sqrt(), 1.0)
    return height * cosine


def eye_slope(left: Tensor, right: Tensor) -> Tensor:
    """Rise over run between the eyes' centroids; 0 where an eye is missing or one stands above the other."""
    (lx, ly, left_count), (rx, ry, right_count) = centroid(left.float()), centroid(right.float())
    run = rx - lx
    seen = (left_count > 0) & (right_count > 0) & (run != 0)
    return torch.where(seen, (ry - ly) / torch.where(seen, run, 1.0), 0.0)


def centroid(weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean x and y, in pixels, and the sum of weights [faces, rows, columns]."""
    rows, columns = weights.sum(2), weights.sum(1)
    total = rows.sum(1)
    y = (rows * torch.arange(rows.shape[1], device=rows.device)).sum(1) / total.clamp_min(1e-6)
    x = (columns * torch.arange(columns.shape[1], device=rows.device)).sum(1) / total.clamp_min(1e-6)
    return x, y, total


def pearson_of_pixels(mask: Tensor) -> Tensor:
    """Correlation of x and y over a mask's pixels; 0 where they lie on one line across or down."""
    weights = mask.float()
    x, y, count = centroid(weights)
    axis = torch.arange(mask.shape[-1], device=mask.device)
    dx, dy = axis[None, None, :] - x[:, None, None], axis[None, :, None] - y[:, None, None]
    together = (weights * dx * dy).sum((1, 2))
    alone = (weights * dx * dx).sum((1, 2)) * (weights * dy * dy).sum((1, 2))
    return torch.where((count > 0) & (alone > 1e-6), together / alone.clamp_min(1e-6).sqrt(), 0.0)


def lowest_hair(hair: Tensor) -> Tensor:
    """v1: the lowest row of hair; at the last row, half the hair pixels in it on top. 0 without hair."""
    size = hair.shape[-1]
    unit = UPSTREAM_SIZE / size
    last = ends(hair.any(dim=2))[1]
    lowest = (last + 1) * unit - 1  # the same row, in a map of 224
    below = hair[:, -1].sum(1) * unit / 2
    return torch.where(last < 0, 0.0, lowest + torch.where(last == size - 1, below, 0.0))


def hair_rows(hair: Tensor) -> Tensor:
    """v2: rows from the first quarter on with enough hair; where the last row is one, its width on top."""
    size = hair.shape[-1]
    unit = UPSTREAM_SIZE / size
    enough = hair.sum(dim=2) * unit >= 20
    rows = enough[:, rows_from(size, 56) :].sum(1) * unit
    halves = [hair[:, -1, : size // 2].sum(1) * unit, hair[:, -1, size // 2 :].sum(1) * unit]
    width = sum((half - 10).clamp_min(0) / 2 for half in halves)
    return rows + torch.where(enough[:, -1], width, 0.0)


def background_scores(label_maps: Tensor, brightness: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of the background in the upper half without 5 % at both ends; (192, 0) without any."""
    half = label_maps.shape[-1] // 2
    there = (label_maps == classes.BACKGROUND)[:, :half]
    mean, std = trimmed(brightness[:, :half], there, 0.05)
    seen = there.flatten(1).any(1)
    return torch.where(seen, mean, 192.0), torch.where(seen, std, 0.0)


def trimmed(values: Tensor, mask: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the masked values, the lowest and highest `share` of pixels left out."""
    flat = torch.where(mask, values, torch.inf).flatten(1).sort(dim=1).values
    count = mask.flatten(1).sum(1, keepdim=True)
    cut = (count * share).floor().long()
    position = torch.arange(flat.shape[1], device=flat.device)
    kept = (position >= cut) & (position < count - cut)
    flat = torch.where(kept, flat, 0.0).double()
    number = kept.sum(1).clamp_min(1)
    mean = flat.sum(1) / number
    variance = ((flat - mean[:, None]) ** 2 * kept).sum(1) / number
    return mean, variance.sqrt()


def masked_median(values: Tensor, mask: Tensor) -> Tensor:
    """The median of the masked values (of an even number the mean of the middle two); 127.5 without any."""
    flat = torch.where(mask, values, torch.inf).flatten(1).sort(dim=1).values
    count = mask.flatten(1).sum(1)
    middle = [((count - 1).clamp_min(0) // 2), (count // 2).clamp_max(flat.shape[1] - 1)]
    median = sum(flat.gather(1, place[:, None])[:, 0] for place in middle) / 2
    return torch.where(count > 0, median, 127.5)


def soft_scores(probabilities: Tensor, images: Tensor) -> Tensor:
    """v3, [faces, 8] in the order of SOFT_SCORES: of class probabilities, differentiable in both.

    `probabilities` [faces, 11, rows, columns]; `images` -1 to 1, as networks have them. Sizes are shares of
    the face, never of the distance between the eyes, which means nothing once an eye is shut. Eyes and mouth
    are shares of face and mouth, hair length one of the picture's height; roll is in rad, yaw about so for
    heads that our renderer turns; colours 0 to 255.
    """
    solid = ((probabilities - FAINT) / (1 - FAINT)).clamp_min(0)
    areas = solid.flatten(2).sum(2)
    left, right = solid[:, classes.LEFT_EYE], solid[:, classes.RIGHT_EYE]
    lips = areas[:, classes.UPPER_LIP] + areas[:, classes.LOWER_LIP]
    inner = areas[:, classes.INNER_MOUTH]
    brightness = (images.mean(dim=1) + 1) * 127.5
    half = brightness.shape[-1] // 2
    hair = solid[:, classes.HAIR]
    behind = solid[:, classes.BACKGROUND]
    colour, _ = soft_trimmed(brightness, hair, 0.10)
    mean, std = soft_trimmed(brightness[:, :half], behind[:, :half], 0.05)
    (lx, ly, _), (rx, ry, _) = centroid(left), centroid(right)
    roll = torch.atan2(ry - ly, (rx - lx).clamp_min(1.0))
    face = face_below_eyes(solid, roll)
    columns = [
        (areas[:, classes.LEFT_EYE] + areas[:, classes.RIGHT_EYE]) / face,
        colour,
        soft_length(hair),
        inner / (inner + lips).clamp_min(1.0),
        roll,
        mean,
        std,
        soft_yaw(solid, (lx + rx) / 2, (ly + ry) / 2, roll, face),
    ]
    return torch.stack(columns, dim=1)


def face_below_eyes(solid: Tensor, roll: Tensor) -> Tensor:
    """The face's area below the line through the eyes, which no fringe hides."""
    x, y, _ = centroid(solid[:, classes.LEFT_EYE] + solid[:, classes.RIGHT_EYE])
    axis = torch.arange(solid.shape[-1], device=solid.device)
    down = (axis[:, None] - y[:, None, None]) * roll.cos()[:, None, None]
    across = (axis[None, :] - x[:, None, None]) * roll.sin()[:, None, None]
    face = solid.sum(1) - solid[:, classes.BACKGROUND] - solid[:, classes.HAIR]
    return (face * torch.sigmoid(down - across)).flatten(1).sum(1).clamp_min(1.0)


def soft_length(hair: Tensor) -> Tensor:
    """The share of rows below the first quarter that have hair, by a soft step at 9 % of a row.

    Hair that leaves the picture adds the width it leaves with.
    """
    size = hair.shape[-1]
    share = hair.sum(2)[:, rows_from(size, 56) :] / size
    rows = torch.sigmoid((share - 20 / UPSTREAM_SIZE) / 0.015).mean(1)
    return rows + 0.35 * hair[:, -1].mean(1)


def soft_yaw(solid: Tensor, eye_x: Tensor, eye_y: Tensor, roll: Tensor, face: Tensor) -> Tensor:
    """About rad: how far the nose stands off the line down from between the eyes, over the face's size."""
    nose_x, nose_y, _ = centroid(solid[:, classes.NOSE])
    across = (nose_x - eye_x) * roll.cos() + (nose_y - eye_y) * roll.sin()
    return YAW_PER_OFFSET * across / face.sqrt()


def soft_trimmed(values: Tensor, weights: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation of values without `share` of the weight at both ends.

    Which values are trimmed is decided by order, a step; among those kept, the result is smooth.
    """
    flat, order = values.flatten(1).sort(dim=1)
    weight = weights.flatten(1).gather(1, order)
    total = weight.sum(1, keepdim=True).clamp_min(1e-6)
    passed = weight.cumsum(1) / total
    before = passed - weight / total
    kept = (torch.minimum(passed, passed.new_tensor(1 - share)) - before.clamp_min(share)).clamp_min(0)
    number = kept.sum(1).clamp_min(1e-6)
    mean = (kept * flat).sum(1) / number
    variance = (kept * (flat - mean[:, None]) ** 2).sum(1) / number
    return mean, (variance + 1e-4).sqrt()


def one_hot(label_maps: Tensor) -> Tensor:
    """Class probabilities [faces, 11, rows, columns] of a map that is sure of itself."""
    return F.one_hot(label_maps.long(), len(classes.CLASSES)).permute(0, 3, 1, 2).float()
