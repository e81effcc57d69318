"""Whatever a page is refused, or told of a process that failed, is said in its reader's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ohlora
from ohlora.errors import OhloraError, joined
from ohlora.web.phrases import OTHER, Phrased, as_told, of_told, table, told

SOURCES = Path(ohlora.__file__).parent
# Told in the terminal where the server is started, before there is a page.
BEFORE_A_PAGE = {"history.py", "server.py", "battle_job.py", "piped.py"}


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def parts_of(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Every (key, {gap: value}) that is written out, and what `fault` and `part` make of a key."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            key, gaps = node.elts
            if isinstance(key, ast.Constant) and isinstance(gaps, ast.Dict) and isinstance(key.value, str):
                yield key.value, {one.value for one in gaps.keys if isinstance(one, ast.Constant)}
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name == "fault" and isinstance(node.args[1], ast.Constant):
                yield node.args[1].value, {"names"}
            if name == "part" and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, {"file"}


def test_every_phrase_of_a_mistake_is_there_in_both_languages_with_its_gaps() -> None:
    rooms = [SOURCES / room for room in ("web", "chat", "datasets")]
    parts = [(path, *part) for room in rooms for path, tree in trees(room) for part in parts_of(tree)]
    assert len(parts) > 50
    for path, key, gaps in parts:
        assert key in table(), (path, key)
        assert set(re.findall(r"\{(\w+)\}", table()[key]["en"])) == gaps, (path, key)
        assert re.search("[가-힣]", table()[key]["ko"]), key


def test_no_mistake_of_the_server_is_without_a_phrase() -> None:
    bare = [
        (path.name, node.lineno)
        for path, tree in trees(SOURCES / "web")
        if path.name not in BEFORE_A_PAGE
        for raised in ast.walk(tree)
        if isinstance(raised, ast.Raise)
        for node in [raised.exc]
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "OhloraError" and len(node.args) < 2
    ]
    assert not bare


def test_no_word_for_a_page_is_made_past_told() -> None:
    """A message beside `told` would be English on every page."""
    for path, tree in trees(SOURCES / "web"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and path.name != "phrases.py":
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                assert "error" not in keys, (path.name, node.lineno)


def test_several_mistakes_are_one_with_all_phrases() -> None:
    faults = [OhloraError("a", ("no_json", {})), OhloraError("b"), Phrased(("no_upload", {}))]
    error = joined(faults, "x: ", ".")
    assert str(error) == "x: a; b; nothing was uploaded."
    assert error.parts == (("no_json", {}), ("no_upload", {}))


def test_what_has_no_phrase_is_announced_in_korean_and_shown_as_it_is() -> None:
    (part,) = told(ValueError("odd"))["phrases"]
    assert part == (OTHER, {"message": "odd"})
    assert table()[OTHER]["ko"].format(**part[1]).endswith("odd")
    assert str(of_told(as_told("odd"))) == "odd"
