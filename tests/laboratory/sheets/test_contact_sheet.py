"""The door: sheets are written, and what cannot be shown is told at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.drawing.classes import PALETTE
from ohlora.face.drawing.portrait.settings import Portrait


@pytest.fixture
def job(face_config, tmp_path):
    settings = ("people=4", "columns=2", "steps=3", "renderer.resolution=32", "renderer.supersample=1")
    config = face_config(*settings).job
    return replace(build(config), output_dir=str(tmp_path))


def test_every_sheet_is_written(job, tmp_path, capsys):
    job.run()
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == sorted(job.sheets)
    assert len(capsys.readouterr().out.splitlines()) == len(job.sheets)
    with Image.open(tmp_path / "people.png") as people:
        assert people.width == 2 * 34
        assert len(people.getcolors(10_000) or []) > 500
    with Image.open(tmp_path / "properties.png") as properties:
        assert properties.height > 8 * 34


def test_a_sheet_shows_the_same_people_every_time(job, tmp_path):
    first = replace(job, sheets=["people"])
    first.run()
    bytes_ = (tmp_path / "people.png").read_bytes()
    first.run()
    assert (tmp_path / "people.png").read_bytes() == bytes_
    replace(first, spoilt=True, people=40).run()
    assert (tmp_path / "people.png").read_bytes() != bytes_


def test_every_fault_at_once(job):
    with pytest.raises(OhloraError) as caught:
        replace(job, sheets=["peeple"], people=0, steps=1, face=-1)
    told = str(caught.value)
    assert "sheets=[peeple] is not a list, each one of people | properties" in told
    assert "did you mean people" in told
    for fault in ("people=0", "steps=1", "face=-1"):
        assert fault in told


def test_they_are_drawn_as_everywhere(composed, tmp_path):
    """By the portrait where nothing else is asked for, with her controls: sad brows are not happy ones."""
    small = (
        "resolution=32",
        "sheets=[moods,properties]",
        "columns=2",
        "steps=2",
        f"job.output_dir={tmp_path}",
    )
    job = build(composed("contact_sheet", *small).job)
    assert isinstance(job.generator, Portrait)
    job.run()
    with Image.open(tmp_path / "properties.png") as properties:
        assert properties.height == 16 + len(job.expressions.axes) * 34
    with Image.open(tmp_path / "moods.png") as moods:
        assert moods.size == (118 + 2 * 34, 16 + len(job.expressions.moods) * 34)


def test_faces_of_a_bank(composed, tmp_path):
    """Of the network that ships: as many as it has, with the maps of its own mask head."""
    few = ("sheets=[people,label_maps,twins]", "people=3", "columns=3", f"job.output_dir={tmp_path}")
    job = build(composed("contact_sheet", "drawn_by=network", *few).job)
    job.run()
    with Image.open(tmp_path / "people.png") as people, Image.open(tmp_path / "label_maps.png") as maps:
        assert people.size == maps.size == (3 * 66, 16 + 66)
        colours = {colour for _, colour in maps.convert("RGB").getcolors(10_000) or []}
        assert len(colours & set(PALETTE)) > 8
    with pytest.raises(OhloraError, match="spoilt=true is of a population's photos"):
        replace(job, spoilt=True)


def test_a_wrong_setting_is_one_line(door, own_world):
    done = door("contact-sheet", "fase=3", cwd=own_world)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "fase is not a setting (did you mean face" in done.stderr


def test_a_face_is_asked_for_by_number(face_config):
    """A config group called `face` would take the number for the name of a file."""
    assert face_config("face=7").face == 7
