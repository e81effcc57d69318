"""Can her moods be told apart? A small network learns them from other people's pictures and judges hers.

Everybody is shown at a random moment of a mood, at a random intensity, with the head turned and tilted at
random, half of all pictures mirrored: brows, eyes and mouth have to say it, not the place of the head.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from ohlora.durable import write_text
from ohlora.face.acting.film import film, resized, save_film
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import Person, cast
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import Generator, to_network
from ohlora.face.drawing.portrait.settings import Portrait
from ohlora.face.trained.blocks import stem
from ohlora.face.trained.evaluate import evaluating
from ohlora.laboratory.acceptance.mood_jobs import MoodReport
from ohlora.precision import one_thread
from ohlora.progress import progress
from ohlora.provenance import current_commit
from ohlora.tracking import log_confusion, log_picture

HELD_S = (2.2, 3.6)  # when a mood that begins at 0 and is held is at its height: from here to there
TURNED = {"yaw": 0.14, "roll": 0.06}  # how far a head is turned beside its mood, either way
INTENSITY = (0.8, 1.1)
DRAWN = {
    "hair_colour": (0.06, 0.6),
    "hair_length": (0.2, 1.0),
    "background_mean": (0.3, 0.9),
}  # of other people
DOWNCAST = ("sad", "sulky")  # moods whose mouth must not smile
FINE = 256  # pixels a side of the maps that smiles are measured on
BATCH = 60
FILMED, FILM_S, FPS = 120, 3.25, 8.0  # pixels a side of each mood in the film; its length and frames a second
COLUMNS = 3  # of the film


@dataclass(frozen=True)
class Pictures:
    """Images of people in moods."""

    images: Tensor  # uint8 [pictures, 3, rows, columns]
    moods: Tensor  # int64 [pictures], positions in the table
    smiles: Tensor  # float32 [pictures], of the mouth's corners; see `smile`

    def __len__(self) -> int:
        return len(self.images)


def report_moods(job: MoodReport) -> None:
    """Write moods.json, moods.png and moods.gif, and print what they say."""
    generator, person = cast(job)
    moods = list(job.expressions.moods)
    rng = np.random.default_rng(job.seed)
    women = job.population.indices(job.seed + 1, job.people + job.judged, women=True)
    latents = torch.from_numpy(job.population.latents(job.seed + 1, women))  # another world than hers
    with one_thread(), progress((job.people + job.judged + job.frames) * len(moods), "pictures") as advance:

        def shown(of: Tensor, looks: Sequence[dict[str, float]], measured: bool = True) -> Pictures:
            return pictures(job, generator, of, looks, rng, advance, measured)

        taught = shown(latents[: job.people], [looks_of(job, rng) for _ in range(job.people)], measured=False)
        others = shown(latents[job.people :], [looks_of(job, rng) for _ in range(job.judged)])
        hers = shown(torch.from_numpy(person.latents).expand(job.frames, -1), [dict(job.looks)] * job.frames)
        judge = taught_judge(taught, len(moods), job.epochs, job.seed)
        matrices = {
            "hers": confusion(judge, hers, len(moods)),
            "others": confusion(judge, others, len(moods)),
        }
    results = summary(moods, matrices, {"hers": hers, "others": others})
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_film(film_of_moods(job, generator, person), folder / "moods.gif", FPS)
    made = {
        "command": "python -m ohlora mood-report",
        "commit": current_commit(),
        "seed": job.seed,
        "taught": len(taught),
    }
    write_text(folder / "moods.json", json.dumps({**made, **results}, indent=1, ensure_ascii=False) + "\n")
    draw_matrices(moods, matrices, folder / "moods.png")
    if job.logger is not None:
        log_moods(job.logger, moods, matrices, results, folder / "moods.png")
    for whom in matrices:
        print(
            f"{whom}: {results[whom]['accuracy']:.3f} of {results[whom]['pictures']} moods named rightly, ",
            end="",
        )
        print(f"{results[whom]['downcast_smiles']} of {' and '.join(DOWNCAST)} smile")
    print(folder / "moods.png")


def log_moods(
    logger: Logger, moods: Sequence[str], matrices: dict[str, Tensor], results: dict[str, Any], picture: Path
) -> None:
    """Shares that were named rightly, smiles where none should be, her confusion matrix."""
    log_confusion(logger, matrices["hers"].numpy(), moods)
    log_picture(logger, "moods", picture)
    numbers = ("accuracy", "downcast_smiles")
    logger.log_metrics({f"{whom}/{name}": results[whom][name] for whom in matrices for name in numbers})


def looks_of(job: MoodReport, rng: np.random.Generator) -> dict[str, float]:
    """How somebody else looks."""
    return {**job.looks, **{name: float(rng.uniform(*ends)) for name, ends in DRAWN.items()}}


def pictures(
    job: MoodReport,
    generator: Generator,
    latents: Tensor,
    looks: Sequence[dict[str, float]],
    rng: np.random.Generator,
    advance: Any,
    measured: bool = True,
) -> Pictures:
    """Everybody in every mood, once; smiles are 0 where they are not `measured`."""
    table = job.expressions
    # Corners of a mouth are smaller than a pixel of what the judge sees.
    fine: Any = replace(generator, resolution=FINE) if isinstance(generator, Portrait) else generator
    columns = {name: column for column, name in enumerate(table.axes)}
    images, labels, smiles = [], [], []
    for row, look in zip(latents, looks, strict=True):
        resting = {**dict.fromkeys(table.controls, 0.0), **table.moods["neutral"], **look}
        for label, mood in enumerate(table.moods):
            acted = Performance.of(
                np.array([resting[name] for name in table.axes]), table, int(rng.integers(2**31))
            )
            acted = acted.feel(mood, 0.0, 60.0, float(rng.uniform(*INTENSITY)))
            state = acted.moved(float(rng.uniform(*HELD_S)))
            for name, far in TURNED.items():
                state[columns[name]] += rng.uniform(-far, far)
            wanted = torch.from_numpy(np.clip(state, *acted.bounds).astype(np.float32))[
                None, : len(generator.properties)
            ]
            picture = generator.picture(generator.mapping(row[None], wanted))
            mirrored = bool(rng.integers(2))
            images.append(picture.images[0].flip(2) if mirrored else picture.images[0])
            labels.append(label)
            seen = fine.picture(fine.mapping(row[None], wanted)).label_maps[0] if measured else None
            smiles.append(0.0 if seen is None else smile(seen.numpy()))
            advance(1)
    return Pictures(torch.stack(images), torch.tensor(labels), torch.tensor(smiles))


def smile(labels: np.ndarray) -> float:
    """How much higher the corners of the mouth lie than the middle of the lips, in widths of the mouth.

    The mean of both corners, so that a tilted head does not count. Positive: a smile.
    """
    rows, columns = np.nonzero(np.isin(labels, (classes.UPPER_LIP, classes.INNER_MOUTH, classes.LOWER_LIP)))
    wide = np.ptp(columns) if len(columns) else 0
    if wide < 8:
        return 0.0
    left = columns.min()
    share = (columns - left) / wide
    ends = [rows[share < 0.15].mean(), rows[share > 0.85].mean()]
    upper = [rows[columns == column].min() for column in np.unique(columns[abs(share - 0.5) < 0.1])]
    lower = [rows[columns == column].max() for column in np.unique(columns[abs(share - 0.5) < 0.1])]
    return float(((np.mean(upper) + np.mean(lower)) / 2 - np.mean(ends)) / wide)


def film_of_moods(job: MoodReport, generator: Generator, person: Person) -> np.ndarray:
    """Frames uint8 [frames, rows, columns, 3]: her in every mood, side by side, from rest and back."""
    times = [number / FPS for number in range(round(FILM_S * FPS))]
    small, rest = resized(generator, FILMED), person.at_rest(job.expressions)
    films = []
    for number, mood in enumerate(job.expressions.moods):
        acted = Performance.of(rest, job.expressions, job.seed + number).feel(mood, 0.3, FILM_S - 0.9)
        films.append(film(small, person, acted, times, job.ombre))
    films += [np.full_like(films[0], 255)] * (-len(films) % COLUMNS)
    rows = [np.concatenate(films[i : i + COLUMNS], axis=2) for i in range(0, len(films), COLUMNS)]
    return np.concatenate(rows, axis=1)


def taught_judge(taught: Pictures, moods: int, epochs: int, seed: int) -> nn.Module:
    """A convolutional network -> logits [pictures, moods]."""
    torch.manual_seed(seed)
    judge = nn.Sequential(stem(3, (16, 32, 64, 96), (4, 4), 96), nn.Dropout(0.3), nn.Linear(96, moods))
    rate, steps = 3e-3, epochs * -(-len(taught) // BATCH)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    drawn = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(taught), generator=drawn).split(BATCH):
            images = moved(to_network(taught.images[rows]), drawn)
            loss = F.cross_entropy(judge(images), taught.moods[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge


def moved(images: Tensor, drawn: torch.Generator) -> Tensor:
    """Images shifted by some pixels, mirrored or not, lighter or darker."""
    down, right = (int(torch.randint(-3, 4, (), generator=drawn)) for _ in range(2))
    images = images.roll((down, right), dims=(2, 3))
    flipped = torch.rand(len(images), generator=drawn) < 0.5
    images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    return images * (0.85 + 0.3 * torch.rand(len(images), 1, 1, 1, generator=drawn))


def confusion(judge: nn.Module, seen: Pictures, moods: int) -> Tensor:
    """How often a mood [rows] was taken for which [columns]."""
    with torch.inference_mode(), evaluating(judge):
        named = torch.cat([judge(to_network(some)).argmax(dim=1) for some in seen.images.split(BATCH)])
    counts = torch.zeros(moods, moods, dtype=torch.int64)
    return counts.index_put_((seen.moods, named), torch.ones(len(named), dtype=torch.int64), accumulate=True)


def summary(moods: Sequence[str], matrices: dict[str, Tensor], seen: dict[str, Pictures]) -> dict[str, Any]:
    """What is written beside the picture."""
    found: dict[str, Any] = {"moods": list(moods)}
    for whom, matrix in matrices.items():
        smiles = seen[whom].smiles
        down = torch.isin(
            seen[whom].moods, torch.tensor([i for i, mood in enumerate(moods) if mood in DOWNCAST])
        )
        found[whom] = {
            "pictures": int(matrix.sum()),
            "accuracy": round(float(matrix.diagonal().sum() / matrix.sum()), 4),
            "downcast_smiles": int((smiles[down] > 0).sum()),
            "mean_smile": {
                mood: round(float(smiles[seen[whom].moods == i].mean()), 3) for i, mood in enumerate(moods)
            },
            "confusion": matrix.tolist(),
        }
    return found


def draw_matrices(moods: Sequence[str], matrices: dict[str, Tensor], path: Path) -> None:
    """Both confusion matrices, in shares of a row."""
    from matplotlib import pyplot as plt

    from ohlora.figures import save_figure

    figure, axes = plt.subplots(1, len(matrices), figsize=(11, 5.2), layout="constrained")
    for axis, (whom, matrix) in zip(axes, matrices.items(), strict=True):
        shares = (matrix / matrix.sum(dim=1, keepdim=True).clamp_min(1)).numpy()
        axis.imshow(shares, vmin=0, vmax=1, cmap="Purples")
        for row, column in np.argwhere(shares > 0.004):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=colour)
        right = float(matrix.diagonal().sum() / matrix.sum())
        axis.set_title(f"{whom}: {100 * right:.1f} % of {int(matrix.sum())}")
        axis.set_xticks(range(len(moods)), moods, rotation=45, ha="right")
        axis.set_yticks(range(len(moods)), moods)
        axis.set_xlabel("named by the judge, %")
    axes[0].set_ylabel("shown")
    save_figure(figure, path)
