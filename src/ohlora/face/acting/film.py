"""A performance as frames, and frames as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ohlora.durable import replacing
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import Person
from ohlora.face.drawing.generator import Generator
from ohlora.face.drawing.ombre import Ombre
from ohlora.face.drawing.portrait.settings import Portrait
from ohlora.precision import one_thread

TOGETHER = 8  # frames drawn at once: bounds the memory, and small pictures cost less in company
PALETTE = ((Image.Quantize.FASTOCTREE, 160), (Image.Quantize.MEDIANCUT, 96))
PALETTE_FRAMES = 24  # how many frames a GIF's palette is chosen from


def look(
    generator: Generator,
    person: Person,
    states: Sequence[np.ndarray],
    times: Sequence[float],
    ombre: Ombre,
) -> np.ndarray:
    """Pictures uint8 [states, rows, columns, 3] of her with these properties, her hair as at these times."""
    with torch.inference_mode(), one_thread():
        # A generator that knows no controls is asked for properties alone, which come first.
        wanted = torch.from_numpy(np.array(states, dtype=np.float32)[:, : len(generator.properties)])
        latents = torch.from_numpy(person.latents).expand(len(wanted), -1)
        picture = generator.picture(generator.mapping(latents, wanted))
        images = ombre.apply(picture.images, picture.hair, times) if ombre.strength else picture.images
        return images.permute(0, 2, 3, 1).cpu().numpy()


def resized(generator: Generator, resolution: int) -> Generator:
    """A generator of pictures of another size; a network's size is its own."""
    return replace(generator, resolution=resolution) if isinstance(generator, Portrait) else generator


def film(
    generator: Generator,
    person: Person,
    performance: Performance,
    times: Sequence[float],
    ombre: Ombre,
    advance: Callable[[int], object] = lambda count: None,
) -> np.ndarray:
    """Frames uint8 [times, rows, columns, 3] of a performance at some times, in seconds.

    `advance` is called with the number of frames that were drawn since the last time.
    """
    frames = []
    for first in range(0, len(times), TOGETHER):
        some = times[first : first + TOGETHER]
        frames.append(look(generator, person, [performance.at(t) for t in some], some, ombre))
        advance(len(some))
    return np.concatenate(frames)


def palette_of(pictures: Sequence[Image.Image]) -> Image.Image:
    """256 colours for some pictures: most by octree, the others by median cut.

    An octree keeps rare colours, of irises and lips, and leaves a wall in stripes; a median cut does the
    reverse.
    """
    all_ = Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures]))
    colours: list[int] = []
    for method, count in PALETTE:
        found = all_.quantize(count, method=method).getpalette() or []
        colours += [*found, *([0] * 3 * count)][: 3 * count]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    return palette


def save_animation(frames: np.ndarray, path: Path, fps: float) -> None:
    """With Pillow: GIF, animated PNG or animated WebP, by the ending; played for ever."""
    pictures = [Image.fromarray(frame) for frame in frames]
    # GIF counts in hundredths of a second: each frame ends at the hundredth nearest to its true end.
    ends = [round(100 * (number + 1) / fps) * 10 for number in range(len(pictures))]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    extra: dict[str, Any] = {}
    if path.suffix == ".gif":
        # One palette for all: with one each, colours would flicker where nothing moves.
        palette = palette_of(pictures[:: -(-len(pictures) // PALETTE_FRAMES)])
        pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
        extra = {"optimize": False}
    elif path.suffix == ".webp":
        extra = {"quality": 90, "method": 2}
    first, *others = pictures
    with path.open("wb") as file:
        first.save(
            file, path.suffix[1:], save_all=True, append_images=others, duration=lengths, loop=0, **extra
        )


def save_video(frames: np.ndarray, path: Path, fps: float) -> None:
    """With PyAV: H.264 in MP4, VP9 in WebM."""
    import av

    codec, options = {
        ".mp4": ("libx264", {"crf": "16", "movflags": "faststart"}),
        ".webm": ("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4"}),
    }[path.suffix]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


WRITERS: Mapping[str, Callable[[np.ndarray, Path, float], None]] = {  # of film_files.ENDINGS
    ".gif": save_animation,
    ".png": save_animation,
    ".webp": save_animation,
    ".mp4": save_video,
    ".webm": save_video,
}


def save_film(frames: np.ndarray, path: Path, fps: float) -> Path:
    """Write frames uint8 [frames, rows, columns, 3] in the format of the ending, whole or not at all."""
    with replacing(path, f".part{path.suffix.lower()}") as part:
        WRITERS[part.suffix](frames, part, fps)
    return path
