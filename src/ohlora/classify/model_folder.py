"""What `fit` leaves: a folder of data and pictures, nothing that runs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from ohlora.assets import save_model
from ohlora.classify.place import CARD
from ohlora.datasets.lettering import write
from ohlora.datasets.pictures import to_picture
from ohlora.durable import replacing, write_json, write_text
from ohlora.text import printable
from ohlora.trials.classifier import NAME
from ohlora.trials.report import confusion, plot_confusion, plot_curve, surest_first

if TYPE_CHECKING:
    from ohlora.classify.fitting import Fitted
    from ohlora.classify.jobs import Fit

SHOWN = 24  # mistakes on the picture
COLUMNS = 4
CELL = 96  # pixels a side of a picture


@dataclass(frozen=True)
class Kept:
    """Where a classifier was left, and the names of what is there for people."""

    folder: Path
    names: list[str]
    refused: str | None = None  # why it is not where it was to be


def keep(fitted: Fitted, job: Fit) -> Kept:
    """Leave a classifier where the job says, or in the run's own folder where that takes none any more."""
    own = Path(job.output_dir)
    if job.save_to is None:
        return Kept(own, leave(fitted, own, job.onnx))
    place = Path(job.save_to).expanduser()
    try:
        return Kept(place, leave(fitted, place, job.onnx))
    except OSError as error:
        names = leave(fitted, own, job.onnx)
        refused = f"save_to={printable(job.save_to)}: {error.strerror}; the classifier is in {printable(own)}"
        return Kept(own, names, refused)


def leave(fitted: Fitted, folder: Path, onnx: bool) -> list[str]:
    """Write everything into `folder`; return the names of what is there for people, in reading order."""
    names = fitted.subset.class_names
    classifier = fitted.classifier
    save_model(folder, NAME, classifier.network.state_dict(), classifier.card)
    matrix = confusion(fitted.test_logits, fitted.test_labels)
    write_text(folder / "labels.txt", "".join(f"{printable(name)}\n" for name in names))
    write_json(folder / "advice.json", fitted.advice.as_json())
    write_csv(
        folder / "confusion.csv",
        [
            ["true \\ predicted", *names],
            *([name, *row] for name, row in zip(names, matrix.tolist(), strict=True)),
        ],
    )
    plot_confusion(matrix, names, f"test macro-F1 {fitted.test_f1:.3f}", folder / "confusion.png")
    label = "test, the classifier that is kept"
    plot_curve(fitted.curve, fitted.test_f1, folder / "curve.png", label)
    left = [f"{NAME}.safetensors", CARD, "labels.txt", "advice.json", "curve.png", "confusion.png"]
    left += ["confusion.csv", "mistakes.csv"]
    mistakes = wrong_ones(fitted)
    write_csv(folder / "mistakes.csv", [["file", "true", "predicted", "probability"], *mistakes])
    (folder / "mistakes.png").unlink(missing_ok=True)  # of an earlier classifier
    if mistakes:
        draw_mistakes(fitted, folder / "mistakes.png")
        left.append("mistakes.png")
    (folder / f"{NAME}.onnx").unlink(missing_ok=True)
    if onnx:
        left.append(classifier.save_onnx(folder / f"{NAME}.onnx").name)
    return left


def write_csv(path: Path, rows: list[list[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def wrong_ones(fitted: Fitted) -> list[list[object]]:
    names = fitted.subset.class_names
    return [
        [fitted.files[row].as_posix(), names[int(fitted.test_labels[row])], names[seen], f"{probability:.4f}"]
        for row, seen, probability in surest_first(fitted.test_logits, fitted.test_labels, wrong=True)
    ]


def draw_mistakes(fitted: Fitted, path: Path) -> None:
    """The mistakes it is surest of: each picture as it was seen, what it is, and what it was taken for."""
    every = surest_first(fitted.test_logits, fitted.test_labels, wrong=True)
    rows, names = every[:SHOWN], fitted.subset.class_names
    columns = min(COLUMNS, len(rows))
    wide, high, top = CELL + 150, CELL + 12, 28
    size = (max(columns * wide + 8, 420), top + -(-len(rows) // columns) * high)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    title = f"{len(rows)} of {len(every)} mistakes on {len(fitted.test_labels)} test images, the surest first"
    write(draw, (8, 14), title, "black", most=size[0] - 16, anchor="lm")
    for place, (row, seen, probability) in enumerate(rows):
        x, y = 8 + place % columns * wide, top + place // columns * high
        picture = to_picture(fitted.subset.test.images[row]).convert("RGB")
        sheet.paste(picture.resize((CELL, CELL), Image.Resampling.NEAREST), (x, y))
        true, taken = (printable(names[k]) for k in (int(fitted.test_labels[row]), seen))
        lines = [
            (true, "black", 13),
            (f"taken for {taken}", "firebrick", 13),
            (f"{probability:.0%} sure", "grey", 11),
            (printable(fitted.files[row].name), "grey", 11),
        ]
        for i, (words, colour, letters) in enumerate(lines):
            write(draw, (x + CELL + 6, y + 4 + 19 * i), words, colour, letters, most=wide - CELL - 14)
    with replacing(path, ".part.png") as part:
        sheet.save(part)
