"""A subset for human eyes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.datasets.readers import Folder
from ohlora.datasets.subset import draw_valid_seeds


def test_saved_images_are_the_subset_and_can_be_played_on(digits_subset, tmp_path):
    folder = save_images(digits_subset, tmp_path / "seen")
    for label, name in enumerate(digits_subset.class_names):
        files = sorted((folder / "train" / name).iterdir())
        mine = digits_subset.train.images[digits_subset.train.labels == label]
        assert len(files) == len(mine)
        assert np.array_equal(np.asarray(Image.open(files[0])), mine[0, 0].numpy())
    again = Folder(str(folder), image_size=8)
    (folder / "val").rename(tmp_path / "val")
    assert len(again.load().train) == len(digits_subset.train)


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
