"""The picture of a result: whatever names, lines and faces come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.face.acting.test_reaction import match

from ohlora.web.card import SIZE, drawable, save_card, title_of, wrapped


@pytest.mark.parametrize("name", ["you", "지민", "<b>" * 30, "\u202e\x1b[31m" + "W" * 80])
def test_any_name_is_drawn_inside_the_card(tmp_path: Path, name: str) -> None:
    result = match("won_by_far", "lost_narrowly")
    hers, *theirs = result.attempts
    result = replace(result, attempts=(hers, *(replace(one, contestant=name) for one in theirs)))
    Image.new("RGB", (32, 32), "red").save(tmp_path / "face.png")
    for face in (tmp_path / "face.png", None):
        with Image.open(save_card(result, "와" * 500, face, tmp_path / "card.png")) as card:
            assert card.size == SIZE
            reddish = card.getpixel((240, 300))[0] > 200  # where her face is
            assert reddish == (face is not None)
            # Nothing is written into the margin on the right.
            edge = card.crop((1165, 60, 1200, 560)).getcolors(35 * 500)
            assert max(max(colour) for _, colour in edge) < 160


def test_a_dataset_is_called_as_on_the_page() -> None:
    result = match("draw")
    shapes = replace(result.dataset, name="shapes", title="drawn shapes")
    mine = replace(result.dataset, name="folder_pets_0a", title="folder pets")
    assert [title_of(replace(result, dataset=one)) for one in (shapes, mine)] == ["도형", "folder pets"]


def test_a_line_is_broken_at_spaces_and_loses_what_no_font_has() -> None:
    lines = wrapped("the camera checked both photo finishes and then some more of them", 28, 300)
    assert len(lines) > 2
    assert " ".join(lines) == "the camera checked both photo finishes and then some more of them"
    assert drawable("no \U0001faf8 picture\x1b here").startswith("no picture")
