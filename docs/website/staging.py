"""The folder that the site is built from: pages of the repository at their places, links rewritten.

README.md is the home page, docs/ stands at the top, and any other file that a page links comes along.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from docs.website import settings

ROOT = Path(__file__).resolve().parents[2]
OWN_PAGES = Path(__file__).parent / "pages"  # of the site alone
PLACES = {"README.md": "index.md", "README.ko.md": "ko/index.md", "CHANGELOG.md": "changelog.md"}
LEFT_OUT = ("docs/website/", "docs/optunahub-registry/")
# [text](target), target without spaces; not of code.
LINK = re.compile(r"(\]\()([^()\s#]*)(#[^()\s]*)?(\))")
FENCE = re.compile(r"^ *(```|~~~)")


def place(name: str) -> str:
    """Where a file of the repository lies in the site."""
    if name in PLACES:
        return PLACES[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"repository/{name}"


def stage(folder: Path) -> None:
    """Fill `folder`. Raises FileNotFoundError naming every link that leads nowhere."""
    shutil.rmtree(folder, ignore_errors=True)
    faults: list[str] = []
    waiting = [*PLACES, *shipped()]
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        target = folder / place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith(".md"):
            shutil.copyfile(ROOT / name, target)
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        linked = {link: resolve(name, link) for link in links(text)}
        faults += [f"{name}: {link}" for link, to in linked.items() if not (ROOT / to).is_file()]
        waiting += [to for to in linked.values() if (ROOT / to).is_file()]
        target.write_text(rewritten(text, name, linked), encoding="utf-8")
    if faults:
        raise FileNotFoundError("links that lead to no file: " + "; ".join(sorted(faults)))
    made = {page.name: page.read_text(encoding="utf-8") for page in OWN_PAGES.glob("*.*")}
    for name, text in (made | settings.pages()).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def shipped() -> Iterator[str]:
    """Every file of docs/ that the site has, from the top of the repository."""
    for path in sorted((ROOT / "docs").rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and not name.startswith(LEFT_OUT):
            yield name


def prose(text: str) -> Iterator[tuple[str, bool]]:
    """Each line with its end, and whether it is prose and not inside a code block."""
    inside = ""
    for line in text.splitlines(keepends=True):
        fence = FENCE.match(line)
        plain = not inside and not fence
        if fence and (not inside or fence[1] == inside):
            inside = "" if inside else fence[1]
        yield line, plain


def links(text: str) -> Iterator[str]:
    """Targets of a page's links to files."""
    for line, plain in prose(text):
        for found in LINK.finditer(line) if plain else ():
            if found[2] and "://" not in found[2] and not found[2].startswith("mailto:"):
                yield found[2]


def resolve(page: str, link: str) -> str:
    """The file that a link on a page means, from the top of the repository."""
    return os.path.normpath(PurePosixPath(page).parent / link).replace(os.sep, "/")


def rewritten(text: str, page: str, linked: dict[str, str]) -> str:
    """A page with its links as they are at its place in the site."""
    here = PurePosixPath(place(page)).parent

    def moved(found: re.Match[str]) -> str:
        to = linked.get(found[2])
        target = found[2] if to is None else os.path.relpath(place(to), here).replace(os.sep, "/")
        return f"{found[1]}{target}{found[3] or ''}{found[4]}"

    return "".join(LINK.sub(moved, line) if plain else line for line, plain in prose(text))
