"""Which files a film can be written to."""

from __future__ import annotations

import os
from pathlib import Path

from ohlora.errors import nearest

VIDEOS = (".mp4", ".webm")
ENDINGS = (".gif", ".png", ".webp", *VIDEOS)
FASTEST_GIF = 50  # frames a second that viewers show


def film_fault(out: str, fps: float) -> str | None:
    """Every reason why no film can be written there, or None."""
    path, faults = Path(out).expanduser(), []
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        kinds = " | ".join(ENDINGS)
        faults.append(f"ends in {ending or 'nothing'}, not in one of {kinds}{nearest(ending, ENDINGS)}")
    elif ending in VIDEOS and not has_encoder():
        faults.append('needs PyAV: pip install "ohlora[video]"; .gif does not')
    elif ending == ".gif" and fps > FASTEST_GIF:
        faults.append(f"fps={fps:g} is above {FASTEST_GIF}, the most a GIF shows")
    if path.is_dir():
        faults.append("is a folder")
    above = next((parent for parent in path.absolute().parents if parent.exists()), path)
    if not (above.is_dir() and os.access(above, os.W_OK)):
        faults.append(f"cannot be written: {above} is not a folder one may write to")
    return ", ".join(faults) or None


def has_encoder() -> bool:
    """Whether PyAV is installed and can be loaded."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True
