"""`python -m docs.website`, at the top of a checkout: the documentation as a site in build/site.

Zensical builds mkdocs.yml strictly: a link or a heading that is not there ends it. What it does not look at
is checked of the finished pages: pictures, other files, navigation, and that nothing is loaded from outside.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docs.website.finished import faults
from docs.website.staging import ROOT, stage

STAGED, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"


def main() -> int:
    """Build; the exit code."""
    try:
        stage(STAGED)
    except FileNotFoundError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if built.returncode:
        print(told(built.stdout + built.stderr), file=sys.stderr)
        return 1
    finish(SITE)
    if found := faults(SITE):
        print("\n".join(f"docs: {fault}" for fault in found), file=sys.stderr)
        return 1
    print("open build/site/index.html (its search wants a server: python -m http.server -d build/site)")
    return 0


def told(output: str) -> str:
    """What Zensical said, without colours and, where it found faults, the traceback by which it leaves."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    found = re.search(r"[1-9]\d* issues? found", plain)
    return plain.partition("Traceback (most recent call last)")[0].strip() if found else plain


def finish(site: Path) -> None:
    """Say of Korean pages that they are Korean; drop the pages that only make the navigation."""
    for page in (site / "ko").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r"<html lang=\"\w*\"", '<html lang="ko"', text, count=1), encoding="utf-8")
    for page in site.rglob("SUMMARY.html"):
        page.unlink()


if __name__ == "__main__":
    sys.exit(main())
