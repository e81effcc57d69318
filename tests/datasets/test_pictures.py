"""A subset for human eyes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ohlora.datasets.lettering import has, in_other_letters, runs, write
from ohlora.datasets.pictures import folder_names, save_contact_sheet, save_images
from ohlora.datasets.readers import Folder
from ohlora.datasets.subset import draw_valid_seeds
from ohlora.errors import OhloraError


def test_saved_images_are_the_subset_and_can_be_played_on(digits_subset, tmp_path):
    folder = save_images(digits_subset, tmp_path / "seen")
    for label, name in enumerate(digits_subset.class_names):
        files = sorted((folder / "train" / name).iterdir())
        mine = digits_subset.train.images[digits_subset.train.labels == label]
        assert len(files) == len(mine)
        assert np.array_equal(np.asarray(Image.open(files[0])), mine[0, 0].numpy())
    again = Folder(str(folder), image_size=8).load()
    assert len(again.train) == len(digits_subset.train) + len(digits_subset.val)
    assert len(again.test) == len(digits_subset.test)


def named(subset, *names: str):
    """The subset with other class names."""
    return dataclasses.replace(subset, class_names=(*names, *subset.class_names[len(names) :]))


class TestFolderNames:
    @pytest.mark.parametrize(
        ("classes", "folders"),
        [
            (["C++", "C--", "grade A", "grade_A"], ["C++", "C--", "grade A", "grade_A"]),
            (["a/b", "a_b", "a\\b"], ["a_b", "a_b_2", "a_b_3"]),
            (["Cat", "cat", "CAT"], ["Cat", "cat_2", "CAT_3"]),
            (["a_2", "a/", "a_"], ["a_2", "a_", "a__2"]),
            (["고양이", "🐱 cat"], ["고양이", "🐱 cat"]),
            (["T-shirt/top", "what?", "a:b"], ["T-shirt_top", "what_", "a_b"]),
            (["con", "NUL.txt", "com1", "lpt¹"], ["_con", "_NUL.txt", "_com1", "_lpt¹"]),
            (["aux", "console"], ["_aux", "console"]),
            (["dot.", "blank ", "..", ""], ["dot", "blank", "_", "__2"]),
            ([".hidden", "Thumbs.db"], ["_.hidden", "_Thumbs.db"]),
            (["caf\u00e9", "cafe\u0301"], ["caf\u00e9", "caf\u00e9_2"]),
        ],
    )  # fmt: skip
    def test_readable_and_apart(self, classes, folders):
        assert folder_names(classes) == folders

    def test_long_names_fit(self):
        names = folder_names(["가" * 150, "가" * 151])
        assert len(set(names)) == 2
        assert all(len(name.encode()) <= 210 for name in names)

    def test_no_image_is_lost(self, digits_subset, tmp_path):
        save_images(named(digits_subset, "a b", "a_b", "a/b"), tmp_path)
        assert len(list((tmp_path / "train").rglob("*.png"))) == len(digits_subset.train)

    def test_another_subset_is_not_mixed_in(self, digits_subset, varied, digits, cache_dir, tmp_path):
        save_images(digits_subset, tmp_path)
        save_images(digits_subset, tmp_path)  # the same again: a sweep that goes on
        with pytest.raises(OhloraError, match="holds other pictures"):
            save_images(varied.draw(digits, 4, cache_dir), tmp_path)


class TestLettering:
    @pytest.mark.parametrize(
        ("letters", "latin"),
        [
            ("고양이", "goyangi"),
            ("없음", "eopeum"),
            ("é", "e"),
            ("🐱", "[cat face]"),
            ("か", "ka"),
            ("日", "[65e5]"),
        ],
    )
    def test_other_letters_for_those_no_font_has(self, letters, latin):
        assert "".join(map(in_other_letters, letters)) == latin

    @pytest.mark.parametrize(
        "words", ["이름 없음", "🐱 cat", "café über", "Привет", "日本", "mug [red]", " lead"]
    )
    def test_no_letter_becomes_a_box(self, words):
        assert all(has(font, letter) for piece, font in runs(words, 12) for letter in piece)
        assert "".join(piece for piece, _ in runs(words, 12)).strip()

    def test_words_are_cut_to_the_place_they_have(self):
        sheet = Image.new("L", (200, 30), "white")
        write(ImageDraw.Draw(sheet), (0, 5), "a very long class name " * 5, "black", most=100)
        assert np.asarray(sheet)[:, 105:].min() == 255
        assert np.asarray(sheet)[:, :100].min() < 100


def test_the_contact_sheet_has_a_row_a_class(digits_subset, stripes, varied, cache_dir, tmp_path):
    _, colour = next(draw_valid_seeds(varied, stripes(channels=3, size=(12, 20), n=600), 0, cache_dir))
    for subset in (digits_subset, colour):
        sheet = np.asarray(
            Image.open(save_contact_sheet(subset, tmp_path / "new" / "sheet.png")).convert("L")
        )
        row = (sheet.shape[0] - 24) // len(subset.class_names)
        for k in range(len(subset.class_names)):
            images = sheet[24 + k * row : 24 + (k + 1) * row, 150:]
            assert images.std() > 20, "a row without pictures"
