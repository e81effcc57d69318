"""What every plot shares: matplotlib without a display, and how a figure is saved."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ohlora.durable import replacing


def save_figure(figure: Figure, path: Path) -> Path:
    """Write the figure, close it, and return where it lies."""
    with replacing(path, f".part{path.suffix}") as part:
        figure.savefig(part, dpi=110)
    plt.close(figure)
    return path
