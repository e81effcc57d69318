"""Scores that people bring are read whole, or every fault of the file is told at once."""

from __future__ import annotations

import math

import pytest

from ohlora.errors import OhloraError
from ohlora.laboratory.sources.face_scores import LEAST_ROWS, add_empty_rows, read_scores, write_scores

HEADER = "file,eyes,mouth,yaw,pitch"


@pytest.fixture
def scored(tmp_path):
    def made(*first: str):
        rows = [f"{n:06d}.png,{n},{n % 7},0.{n % 10},-0.1{n % 10}" for n in range(len(first), LEAST_ROWS)]
        path = tmp_path / "scores.csv"
        path.write_text("\n".join([HEADER, *first, *rows]), encoding="utf-8")
        return read_scores(path, 100)

    return made


def test_by_file_name_or_index_in_any_order(scored):
    scores = scored("3,1,2,3e-1,.4", "pictures/000002.png,4,5,-0.6,0.7", "000001,9,9,0,0", "0.png,1,1,1,1")
    assert scores.names == ("eyes", "mouth", "yaw", "pitch")
    assert scores.numbers.tolist() == list(range(LEAST_ROWS))
    assert scores.values[2].tolist() == [4, 5, -0.6, 0.7]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "scores.csv"

    def made(*rows: str, header: str = HEADER):
        path.write_text("\n".join([header, *rows]), encoding="utf-8")
        return path

    return made


def test_rows_and_columns_without_scores_are_left_out(table):
    rows = [f"{n},{n},{n % 3},," for n in range(50)]
    scores = read_scores(table(*rows, "77,,,,", header=HEADER.replace("file", "index")), 100)
    assert scores.names == ("eyes", "mouth")
    assert len(scores.numbers) == 50


def test_degrees_become_rad(table):
    rows = [f"{n},{n},{n % 3},{n - 20},0.{n}" for n in range(50)]
    scores = read_scores(table(*rows), 100, in_degrees=True)
    assert scores.values[30, 2] == pytest.approx(math.radians(10))
    assert scores.values[30, 0] == 30
    with pytest.raises(OhloraError, match=r"yaw=-20 is beyond a quarter turn \(rad; angles=degrees"):
        read_scores(table(*rows), 100)


def test_every_fault_of_a_row_is_told_with_its_line(table):
    good = [f"{n},{n},{n % 3},0.1{n},0" for n in range(10, 60)]
    rows = ["1,nan,2,0,0", "000100.png,1,1,0,0", "face,1,1,0,0", "11,1,,0,0", "2,1,1,0,0,9", *good]
    with pytest.raises(OhloraError) as told:
        read_scores(table(*rows), 100)
    for fault in (
        "line 2 (1) eyes=nan is not a number",
        "line 3 (000100.png) is none of the samples 0 to 99",
        "line 4 (face) is none of the samples",
        "line 5 (11) mouth=nothing is not a number",
        "line 6 (2) has more cells than the first line",
        "line 8 (11) was scored before",
    ):
        assert fault in str(told.value)


def test_a_header_s_faults(table):
    with pytest.raises(OhloraError) as told:
        read_scores(table("1,2,3", header="name,eyse,mouth"), 100)
    for fault in ("'name' is not a score", "'eyse' is not a score", "eyes", "file or index is missing"):
        assert fault in str(told.value)


def test_too_few_and_too_much_alike(table):
    with pytest.raises(OhloraError, match="scores of 3 samples; at least 40 are needed"):
        read_scores(table("1,1,1,0,0", "2,2,2,0,0", "3,3,3,0,0"), 100)
    with pytest.raises(OhloraError, match="mouth is 4 throughout"):
        read_scores(table(*(f"{n},{n},4,," for n in range(50))), 100)


def test_text_from_outside_carries_no_escapes(table):
    with pytest.raises(OhloraError) as told:
        read_scores(table("\x1b[31mred,1,1,0,0"), 100)
    assert "\x1b" not in str(told.value)


def test_what_is_no_table(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes(b"\xff\xfe\x00bin")
    with pytest.raises(OhloraError, match="cannot be read as CSV"):
        read_scores(path, 100)


def test_more_samples_get_rows_and_scores_stay(table):
    path = table(*(f"{n},{n},{n % 3},," for n in range(50)))
    add_empty_rows(path, 60)
    assert path.read_text().splitlines()[1:51] == [f"{n},{n},{n % 3},," for n in range(50)]
    assert path.read_text().splitlines()[51:] == [f"{n:06d}.png,,,," for n in range(50, 60)]
    assert len(read_scores(path, 60).numbers) == 50


def test_a_written_table_is_read_back(tmp_path):
    path = tmp_path / "labels.csv"
    write_scores(path, ("eyes", "mouth"), {n: None if n == 3 else (n / 7, n % 5) for n in range(60)})
    scores = read_scores(path, 60)
    assert 3 not in scores.numbers
    assert scores.values[10, 0] == pytest.approx(11 / 7, abs=1e-5)
