"""Do codes mean something? How well images are rebuilt from them, and whether like lies beside like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ohlora.datasets.lettering import drawable, write
from ohlora.datasets.pictures import to_picture
from ohlora.durable import replacing
from ohlora.features.autoencoder import psnr
from ohlora.figures import plt, save_figure

NEIGHBOURS = 5
GREEN, RED, INK, FAINT = (46, 139, 87), (205, 51, 51), (20, 20, 20), (120, 120, 120)


def spread_over(n: int, wanted: int) -> Tensor:
    """Rows of a fixed random sample of `wanted` out of `n`, in ascending order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:wanted].sort().values


def rebuilding(images: Tensor, rebuilt: Tensor) -> dict[str, float]:
    """How near the rebuilt images are: `images` uint8, `rebuilt` float 0 to 1, both [n, c, h, w].

    `psnr` is of the mean squared error over all images; `psnr_worst_tenth` the 10% quantile over images.
    `explained` is the share of the pixels' variance around the mean image that is rebuilt.
    """
    pixels = images.float() / 255
    errors = (pixels - rebuilt).square().flatten(1).mean(dim=1)
    variance = (pixels - pixels.mean(dim=0)).square().mean()
    return {
        "psnr": psnr(errors.mean().item()),
        "psnr_worst_tenth": psnr(errors.quantile(0.9).item()),
        "mean_squared_error": errors.mean().item(),
        "explained": 1 - (errors.mean() / variance.clamp_min(1e-9)).item(),
        "images": len(images),
    }


def meaning(codes: Tensor, labels: Tensor) -> dict[str, float | None]:
    """Mean Euclidean distance of same-label and of different-label pairs, and their ratio.

    All pairs of the images given, none with itself; above 1: codes of one class lie closer together. None
    where every label is there once.
    """
    apart, same, off = pair_distances(codes, labels)
    alike, other_mean = apart[same & off], apart[~same].mean().item()
    same_mean = alike.mean().item() if len(alike) else None
    return {
        "same_label_distance": same_mean,
        "different_label_distance": other_mean,
        "different_over_same": None if same_mean is None else other_mean / max(same_mean, 1e-9),
        "images": len(codes),
        "pairs": len(codes) * (len(codes) - 1) // 2,
    }


def pair_distances(codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distances [n, n], where labels agree [n, n], and everything but the diagonal [n, n]."""
    # Not by matrix product: that would blur the smallest distances.
    apart = torch.cdist(codes, codes, compute_mode="donot_use_mm_for_euclid_dist")
    return apart, labels[:, None] == labels[None, :], ~torch.eye(len(labels), dtype=torch.bool)


def neighbour_accuracy(codes: Tensor, labels: Tensor, queries: Tensor, query_labels: Tensor) -> float:
    """Share of queries whose 5 nearest codes vote for the right label, 0 to 1; a tie goes to the nearer."""
    votes = min(NEIGHBOURS, len(codes))
    n_classes = int(max(labels.max(), query_labels.max())) + 1
    right = 0
    for block, truth in zip(queries.split(1000), query_labels.split(1000), strict=True):
        near = labels[torch.cdist(block, codes).topk(votes, largest=False).indices]
        # nearer neighbours count a little more, so that no tie is left to chance
        weight = 1 + 1e-3 * torch.arange(votes, 0, -1, dtype=torch.float32)
        counts = torch.zeros(len(block), n_classes).scatter_add_(1, near, weight.expand(len(block), -1))
        right += int((counts.argmax(dim=1) == truth).sum())
    return right / len(queries)


def plot_codes(codes: Tensor, labels: Tensor, class_names: tuple[str, ...], title: str, path: Path) -> Path:
    """How far pairs lie apart, by label; and the mean distance between any two classes."""
    apart, same, off = pair_distances(codes, labels)
    scores = meaning(codes, labels)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    upper = torch.triu(off)
    bins = np.linspace(0, apart.max().item(), 60)
    for wanted, name, colour in ((same, "same label", "seagreen"), (~same, "different labels", "indianred")):
        values = apart[wanted & upper].numpy()
        if not len(values):
            continue
        left.hist(values, bins, density=True, alpha=0.55, color=colour, label=name)
        left.axvline(values.mean(), color=colour)
    left.set(xlabel="distance between two codes", ylabel="density of pairs", yticks=[])
    ratio = scores["different_over_same"]
    left.set_title("no two of one label" if ratio is None else f"different / same = {ratio:.3f}")
    left.legend(loc="upper right")
    present = torch.unique(labels).tolist()
    matrix = np.array(
        [
            [
                float(apart[pairs].mean()) if (pairs := both(labels, a, b) & off).any() else np.nan
                for b in present
            ]
            for a in present
        ]
    )
    drawn = right.imshow(matrix, cmap="viridis")
    names = [drawable(class_names[k]) for k in present]
    right.set_xticks(range(len(names)), names, rotation=60, ha="right")
    right.set_yticks(range(len(names)), names)
    right.set_title("mean distance, class to class")
    figure.colorbar(drawn, ax=right, shrink=0.85)
    figure.suptitle(f"{title}: codes of {len(codes)} test images")
    return save_figure(figure, path)


def both(labels: Tensor, first: int, second: int) -> Tensor:
    """Pairs [n, n] from class `first` to class `second`."""
    return (labels == first)[:, None] & (labels == second)[None, :]


def draw_reconstructions(
    images: Tensor, rebuilt: Tensor, labels: Tensor, title: str, path: Path, columns: int = 14
) -> Path:
    """Originals above what their codes give back: images spread over the classes, then the worst rebuilt."""
    errors = (images.float() / 255 - rebuilt).square().flatten(1).mean(dim=1)
    strips = [
        ("as they come", one_of_each(labels, columns)),
        ("rebuilt worst", errors.topk(min(columns, len(errors))).indices.tolist()),
    ]
    back = (rebuilt * 255).round().to(torch.uint8)
    side, gap, margin, head = thumbnail_side(images), 4, 96, 34
    strip_height = 2 * side + gap + 26
    sheet = blank(margin + columns * (side + gap) + 8, head + len(strips) * strip_height, title)
    draw = ImageDraw.Draw(sheet)
    for number, (name, rows) in enumerate(strips):
        top = head + number * strip_height
        write(draw, (8, top + side // 2 - 14), name, INK)
        write(draw, (8, top + side // 2 + 2), "original", FAINT, size=11)
        write(draw, (8, top + side + gap + side // 2 - 6), "from its code", FAINT, size=11)
        for column, row in enumerate(rows):
            x = margin + column * (side + gap)
            sheet.paste(thumbnail(images[row], side), (x, top))
            sheet.paste(thumbnail(back[row], side), (x, top + side + gap))
            decibels = f"{psnr(errors[row].item()):.1f} dB"
            write(draw, (x + 2, top + 2 * side + gap + 3), decibels, FAINT, size=11)
    return save_sheet(sheet, path)


def rebuilt_pairs(
    images: Tensor, rebuilt: Tensor, labels: Tensor, class_names: tuple[str, ...], count: int = 32
) -> tuple[pd.DataFrame, list[Image.Image]]:
    """The class and PSNR of images spread over the classes, and each beside what its code gives back."""
    rows = one_of_each(labels, count)
    back = (rebuilt * 255).round().to(torch.uint8)
    errors = (images.float() / 255 - rebuilt).square().flatten(1).mean(dim=1)
    table = [(class_names[int(labels[row])], psnr(errors[row].item())) for row in rows]
    pairs = [to_picture(torch.cat([images[row], back[row]], dim=2)) for row in rows]
    return pd.DataFrame(table, columns=pd.Index(["class", "psnr"])), pairs


def draw_nearest_pairs(
    images: Tensor, codes: Tensor, labels: Tensor, class_names: tuple[str, ...], title: str, path: Path
) -> Path:
    """Each class's closest pairs by code, framed green where labels agree; then the closest that do not."""
    apart, same, off = pair_distances(codes, labels)
    closest = apart.masked_fill(~off, torch.inf)
    strips: list[tuple[str, list[tuple[int, int]]]] = []
    pairs_a_strip, most_classes = 4, 10
    for label in torch.unique(labels).tolist()[:most_classes]:
        mine = (labels == label).nonzero().flatten().tolist()
        partners = closest.argmin(dim=1)
        ranked = sorted(mine, key=lambda i: closest[i, partners[i]].item())
        strips.append((class_names[label], distinct([(i, int(partners[i])) for i in ranked], pairs_a_strip)))
    other = closest.masked_fill(same, torch.inf)
    if torch.isfinite(other).any():
        partners = other.argmin(dim=1)
        ranked = other.min(dim=1).values.argsort().tolist()
        strips.append(
            ("closest of two labels", distinct([(i, int(partners[i])) for i in ranked], pairs_a_strip))
        )
    side, frame, margin, head = thumbnail_side(images), 3, 150, 34
    cell_w, cell_h = 2 * (side + frame) + frame + 12, side + 2 * frame + 18
    sheet = blank(margin + pairs_a_strip * cell_w, head + len(strips) * cell_h + 4, title)
    draw = ImageDraw.Draw(sheet)
    for number, (name, pairs) in enumerate(strips):
        top = head + number * cell_h
        write(draw, (8, top + side // 2 - 6), name, INK)
        for column, (a, b) in enumerate(pairs):
            x = margin + column * cell_w
            agree = bool(labels[a] == labels[b])
            width = 2 * side + 3 * frame
            draw.rectangle((x, top, x + width - 1, top + side + 2 * frame - 1), fill=GREEN if agree else RED)
            sheet.paste(thumbnail(images[a], side), (x + frame, top + frame))
            sheet.paste(thumbnail(images[b], side), (x + 2 * frame + side, top + frame))
            names = f"{class_names[int(labels[a])]} | {class_names[int(labels[b])]}"
            words = f"{apart[a, b]:.1f}" if agree else names
            write(draw, (x + 1, top + side + 2 * frame), words, FAINT if agree else RED, size=11, most=width)
    return save_sheet(sheet, path)


def distinct(pairs: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """The first pairs that share no image with an earlier one."""
    used: set[int] = set()
    chosen = []
    for a, b in pairs:
        if len(chosen) < most and not {a, b} & used:
            chosen.append((a, b))
            used |= {a, b}
    return chosen


def one_of_each(labels: Tensor, wanted: int) -> list[int]:
    """Rows that go round the classes, the first image of each, then the second, ..."""
    places = [(labels == k).nonzero().flatten().tolist() for k in torch.unique(labels).tolist()]
    turns = max(map(len, places))
    return [rows[turn] for turn in range(turns) for rows in places if turn < len(rows)][:wanted]


def thumbnail_side(images: Tensor) -> int:
    """Pixels on the sheet: whole multiples of small images, at most 64 of large ones."""
    largest = max(images.shape[2:])
    return largest * round(60 / largest) if largest <= 64 else 64


def thumbnail(image: Tensor, side: int) -> Image.Image:
    """A uint8 image [c, h, w], pixels kept square-edged when enlarged."""
    resample = Image.Resampling.NEAREST if max(image.shape[1:]) <= side else Image.Resampling.BILINEAR
    return to_picture(image).convert("RGB").resize((side, side), resample)


def blank(width: int, height: int, title: str) -> Image.Image:
    sheet = Image.new("RGB", (width, height), "white")
    write(ImageDraw.Draw(sheet), (8, 8), title, INK, size=15, most=width - 16)
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> Path:
    with replacing(path, f".part{path.suffix}") as part:
        sheet.save(part, optimize=True)
    return path
