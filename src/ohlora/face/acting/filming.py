"""Draw and write the film that `Animate` asks for."""

from __future__ import annotations

from pathlib import Path

from ohlora.errors import OhloraError
from ohlora.face.acting.animate import Animate
from ohlora.face.acting.film import film, save_film
from ohlora.face.acting.film_files import VIDEOS
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import cast
from ohlora.face.acting.speech import cleaned
from ohlora.face.drawing.generator import HasNotice
from ohlora.progress import progress

LEAD_S, TAIL_S = 0.3, 0.4  # of rest before and after what she does


def make_film(job: Animate) -> None:
    """Write the film and print where it is."""
    generator, person = cast(job, job.face)
    path = Path(job.out).expanduser()
    if path.suffix.lower() in VIDEOS and generator.resolution % 2:
        raise OhloraError(f"resolution={generator.resolution} is odd, a video's is even")
    expressions, line = job.expressions, cleaned(job.say or "")
    mood = expressions.mood(job.mood) if job.mood else expressions.heard(line)
    performance = Performance.of(person.at_rest(expressions), expressions, job.seed).say(line, LEAD_S)
    performance = performance.feel(mood, LEAD_S, performance.end_s)
    seconds = job.seconds or performance.end_s + TAIL_S
    times = [number / job.fps for number in range(max(1, round(seconds * job.fps)))]
    with progress(len(times), "frames") as advance:
        frames = film(generator, person, performance, times, job.ombre, advance)
    save_film(frames, path, job.fps)
    print(f"{path}: {mood}, {len(frames)} frames, {len(frames) / job.fps:.1f} s")
    if isinstance(generator, HasNotice):
        print(generator.notice["en"])
