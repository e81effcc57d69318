"""Her face's speed: CPU time of a frame of both looks, cold start of the live page, rate in a browser.

    python benchmarks/face_speed.py [no-browser]

Frames: one thread, ombre included, moments of every mood; of each moment the least CPU time of several runs,
and the mean of these, both looks in turn. Cold start: `python -m ohlora live` until the page's first scene is
there, wall and CPU seconds, the best of several. Browser: Chromium without a GPU at 256 and 512 px, frames
drawn in a second. Writes docs/results/face/speed.json.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from ohlora.durable import write_json
from ohlora.provenance import current_commit

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"portrait": (128, 256, 512), "renderer": (128,)}
MOMENTS, RUNS, STARTS = 2, 3, 3  # moments of each mood; times each is drawn; cold starts
SHOWN = (256, 512)  # pixels a side of the browser's canvas
WATCHED_S = 4
COLD = ("-m", "ohlora", "live", "port=0")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def frame_times() -> dict[str, float]:
    """CPU ms of a frame by look and size."""
    from hydra import compose, initialize_config_dir

    import ohlora.door  # noqa: F401  (the resolvers conf/ uses)
    from ohlora.build import build
    from ohlora.face.acting.film import look
    from ohlora.face.acting.performance import Performance
    from ohlora.face.acting.person import cast

    stages: list[tuple[str, Any]] = []
    for drawn_by, sizes in SIZES.items():
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            job = build(compose("animate", [f"drawn_by={drawn_by}", "paths.run_dir=unused"]).job)
        generator: Any
        generator, person = cast(job)
        extra: dict[str, Any] = (
            {"supersample": 1} if drawn_by == "renderer" else {}
        )  # as the live page has it
        stages += [
            (f"{drawn_by}_{n}", (replace(generator, resolution=n, **extra), person, job)) for n in sizes
        ]
    least: dict[str, list[float]] = {name: [] for name, _ in stages}
    table = stages[0][1][2].expressions
    for number, mood in enumerate(table.moods):
        for t in (0.3 + moment for moment in range(MOMENTS)):
            for name, (generator, person, job) in stages:
                acted = Performance.of(person.at_rest(table), table, number).feel(mood, 0.0)
                elapsed = []
                for _ in range(RUNS + (not least[name])):  # the first of all warms up
                    started = time.process_time()
                    look(generator, person, [acted.at(t)], [t], job.ombre)
                    elapsed.append(time.process_time() - started)
                least[name].append(min(elapsed))
    return {f"cpu_ms_{name}": round(1000 * sum(some) / len(some), 2) for name, some in least.items()}


def cold_start() -> dict[str, float]:
    """Seconds until the page's first scene, on the clock and of the processor."""
    walls, cpus = [], []
    for _ in range(STARTS):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen([sys.executable, *COLD], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        urllib.request.urlopen(f"{url.rstrip('/')}/frame?after=-1&as=scene").read()
        walls.append(time.perf_counter() - began)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"cold_start_s": round(min(walls), 2), "cold_start_cpu_s": round(min(cpus), 2)}


def browser_rates() -> dict[str, float]:
    """Frames a second that a page shows at each size, while she acts."""
    from playwright.sync_api import sync_playwright

    rates = {}
    process = subprocess.Popen([sys.executable, *COLD], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(url)
            page.locator("#rate", has_text=" px, ").wait_for()
            for side in SHOWN:
                page.evaluate(f"document.getElementById('face').style.width = '{side}px'")
                page.click("[data-mood=happy]")
                page.wait_for_timeout(1000 * WATCHED_S)
                shown = str(page.text_content("#rate"))
                assert shown.startswith(f"{side} px"), shown
                rates[f"browser_fps_{side}"] = float(shown.split(", ")[1].split()[0])
            browser.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    return rates


def main() -> None:
    measured = {**frame_times(), **cold_start()}
    if "no-browser" not in sys.argv[1:]:
        measured |= browser_rates()
    for name, value in measured.items():
        print(f"{name}: {value:g}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    made = {"command": "python benchmarks/face_speed.py", "commit": current_commit(), "machine": machine}
    write_json(ROOT / "docs" / "results" / "face" / "speed.json", {**made, **measured})


if __name__ == "__main__":
    main()
