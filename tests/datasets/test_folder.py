"""Anybody's own folders of images: read as what they are, or refused with every fault."""

from __future__ import annotations

import io
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.datasets.families import WholeDataset
from ohlora.datasets.image_files import find_images
from ohlora.datasets.images import ImageData
from ohlora.datasets.readers import Folder
from ohlora.datasets.split_names import split_role
from ohlora.datasets.subset import draw_valid_seeds
from ohlora.errors import OhloraError
from ohlora.web.phrases import phrase

WHOLE = WholeDataset("none", val_share=0.2, max_val_images=5000)


def write_images(
    folder: Path, count: int, colour: tuple[int, int, int] | int, size=(20, 14), suffix="png"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(folder.as_posix().encode()))
    grey = isinstance(colour, int)
    for i in range(count):
        shape = (size[1], size[0]) if grey else (size[1], size[0], 3)
        noise = rng.integers(0, 40, shape)
        Image.fromarray((noise + np.array(colour)).clip(0, 255).astype(np.uint8)).save(
            folder / f"{i}.{suffix}"
        )


class TestReading:
    def test_mixed_sizes_formats_and_colours_become_one_dataset(self, tmp_path):
        write_images(tmp_path / "cat", 8, (200, 30, 30), (31, 17), "jpg")
        write_images(tmp_path / "dog" / "deeper", 9, 120, (8, 40), "png")
        write_images(tmp_path / "eel", 10, (10, 10, 180), (64, 64), "webp")
        (tmp_path / "dog" / "notes.txt").write_text("not an image")
        (tmp_path / ".hidden").mkdir()
        data = Folder(str(tmp_path), 16).load()
        assert data.class_names == ("cat", "dog", "eel")
        assert data.train.images.shape[1:] == (3, 16, 16)
        assert data.train.images.dtype == torch.uint8
        every = torch.cat([data.train.labels, data.test.labels])
        assert every.bincount().tolist() == [8, 9, 10]
        assert data.test.labels.bincount().tolist() == [2, 2, 2]
        cats = data.train.images[data.train.labels == 0].float().mean(dim=(0, 2, 3))
        assert cats[0] > cats[1] + 100

    def test_grey_only_if_all_are_grey(self, tmp_path):
        write_images(tmp_path / "a", 6, 30)
        write_images(tmp_path / "b", 6, (90, 90, 90))
        assert Folder(str(tmp_path), 8).load().channels == 3  # the noise of b is coloured
        for path in (tmp_path / "b").iterdir():
            Image.open(path).convert("L").save(path)
        assert Folder(str(tmp_path), 8).load().channels == 1

    def test_train_and_test_folders_are_kept(self, tmp_path):
        for part, count in (("train", 7), ("test", 3)):
            write_images(tmp_path / part / "a", count, 10)
            write_images(tmp_path / part / "b", count, 200)
        data = Folder(str(tmp_path), 8).load()
        assert (len(data.train), len(data.test)) == (14, 6)
        assert data.train.images[data.train.labels == 1].float().mean() > 190

    def test_train_and_test_must_agree_on_the_classes(self, tmp_path):
        for part, other in (("train", "b"), ("test", "c")):
            write_images(tmp_path / part / "a", 3, 10)
            write_images(tmp_path / part / other, 3, 200)
        with pytest.raises(OhloraError, match=r"in test but not in train: c; test has no images of: b"):
            Folder(str(tmp_path), 8).load()

    def test_a_photo_taken_sideways_is_turned_upright(self, tmp_path):
        half = np.zeros((16, 16), dtype=np.uint8)
        half[:8] = 255
        exif = Image.Exif()
        exif[0x0112] = 6  # "rotate 90 degrees clockwise to see it upright"
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            for i in range(5):
                Image.fromarray(half).save(tmp_path / name / f"{i}.png", exif=exif)
        images = Folder(str(tmp_path), 16).load().train.images.float()
        assert images[..., 8:].mean() > 200
        assert images[..., :8].mean() < 50

    def test_every_fault_is_named_at_once(self, tmp_path):
        write_images(tmp_path / "good", 3, 10)
        (tmp_path / "bad").mkdir()
        whole = io.BytesIO()
        Image.new("RGB", (30, 30), "red").save(whole, "PNG")
        (tmp_path / "bad" / "torn.png").write_bytes(whole.getvalue()[:60])
        (tmp_path / "bad" / "text.jpg").write_text("I am not an image")
        (tmp_path / "bad" / "empty.webp").touch()
        (tmp_path / "void").mkdir()
        with pytest.raises(OhloraError) as caught:
            Folder(str(tmp_path), 8).load()
        text = str(caught.value)
        assert "no images in: void" in text
        assert ".png" in text
        shutil.rmtree(tmp_path / "void")
        with pytest.raises(
            OhloraError,
            match=r"3 files cannot be read as images: bad/empty.webp, bad/text.jpg, bad/torn.png",
        ) as caught:
            Folder(str(tmp_path), 8).load()
        names = "bad/empty.webp, bad/text.jpg, bad/torn.png"
        assert caught.value.parts == (("folder_unreadable", {"names": names}),)

    def test_an_empty_or_single_class_folder_is_refused(self, tmp_path):
        with pytest.raises(OhloraError, match="0 class folders with images; two or more"):
            Folder(str(tmp_path), 8).load()
        write_images(tmp_path / "only", 5, 10)
        with pytest.raises(OhloraError, match="1 class folder with images; two or more"):
            Folder(str(tmp_path), 8).load()

    @pytest.mark.parametrize("root", [None, ""])
    def test_a_folder_must_be_named(self, root):
        with pytest.raises(OhloraError, match=r"needs dataset\.root=DIR"):
            Folder(root, 8).load()

    def test_a_folder_must_be_there(self, tmp_path):
        with pytest.raises(OhloraError, match="is not a directory"):
            Folder(str(tmp_path / "nowhere"), 8).load()

    @pytest.mark.parametrize("image_size", [0, -3, "big", 2.5, None, True])
    def test_the_size_is_not_blamed_on_the_images(self, tmp_path, image_size):
        with pytest.raises(OhloraError, match=r"image_size=.* is not a whole number from 4 to 1024"):
            Folder(str(tmp_path), image_size)

    def test_folders_of_one_name_are_not_one_dataset(self, tmp_path):
        names = set()
        for place, shade in (("x", 10), ("y", 60)):
            write_images(tmp_path / place / "pets" / "a", 5, shade)
            write_images(tmp_path / place / "pets" / "b", 5, 200)
            names.add(Folder(str(tmp_path / place / "pets"), 8).load().name)
        write_images(tmp_path / "x" / "pets" / "a", 6, 10)
        names.add(Folder(str(tmp_path / "x" / "pets"), 8).load().name)
        names.add(Folder(str(tmp_path / "x" / "pets"), 12).load().name)
        assert len(names) == 4

    def test_it_can_be_played_on(self, tmp_path, varied, cache_dir):
        write_images(tmp_path / "a", 60, 10)
        write_images(tmp_path / "b", 60, 200)
        _, subset = next(draw_valid_seeds(varied, Folder(str(tmp_path), 8).load(), 0, cache_dir))
        assert set(subset.class_names) == {"a", "b"}


def load(root: Path, size: int = 8) -> ImageData:
    return Folder(str(root), size).load()


def classes(root: Path, names: str = "ant bee", count: int = 6, **settings) -> Path:
    """One folder a class, of noise in the class's own shade."""
    for shade, name in enumerate(names.split()):
        write_images(root / name, count, 40 + 60 * shade, **settings)
    return root


class TestSplits:
    @pytest.mark.parametrize(
        ("name", "role"),
        [
            ("train", "train"), ("TRAIN", "train"), ("Training", "train"), ("training_set", "train"),
            ("trainset", "train"), ("train_images", "train"), ("01_train", "train"), ("훈련", "train"),
            ("val", "val"), ("Valid", "val"), ("validation", "val"), ("dev", "val"), ("val-data", "val"),
            ("test", "test"), ("testing", "test"), ("hold-out", "test"), ("holdout", "test"),
            ("테스트", "test"),
            (unicodedata.normalize("NFD", "검증 데이터"), "val"),
        ],
    )  # fmt: skip
    def test_usual_spellings(self, name, role):
        assert split_role(name) == (role, "")

    @pytest.mark.parametrize(
        "name", ["ant", "trainer", "contest", "valley", "train_test", "set", "developer"]
    )
    def test_other_words(self, name):
        assert split_role(name) is None

    @pytest.mark.parametrize(
        ("train", "test"),
        [("train", "val"), ("Training", "Validation"), ("TRAIN", "dev"), ("seg_train", "seg_test")],
    )
    def test_they_are_no_classes(self, tmp_path, train, test):
        classes(tmp_path / train, count=7)
        classes(tmp_path / test, count=3)
        data = load(tmp_path)
        assert data.class_names == ("ant", "bee")
        assert (len(data.train), len(data.test), data.val_rows) == (14, 6, None)

    def test_val_beside_train_and_test_validates(self, tmp_path, cache_dir, caplog):
        for split, count in (("train", 7), ("val", 3), ("test", 2)):
            classes(tmp_path / split, count=count)
        data = load(tmp_path)
        assert (len(data.train), len(data.test)) == (20, 4)
        subset = WHOLE.draw(data, 0, cache_dir)
        assert (len(subset.train), len(subset.val), len(subset.test)) == (14, 6, 4)
        files = [np.asarray(Image.open(p).resize((8, 8), Image.Resampling.BILINEAR)) for p in
                 sorted((tmp_path / "val").rglob("*.png"))]  # fmt: skip
        assert {a.tobytes() for a in files} == {i.numpy().tobytes() for i in subset.val.images}
        assert "val (6 images) validates with subset=none" in caplog.text

    @pytest.mark.parametrize("inside", ["val/ant", "val"])
    def test_val_without_a_picture_is_refused(self, tmp_path, inside):
        for split, count in (("train", 7), ("test", 2)):
            classes(tmp_path / split, count=count)
        (tmp_path / inside).mkdir(parents=True)
        with pytest.raises(OhloraError, match="val"):
            load(tmp_path)

    def test_train_alone_is_not_a_class(self, tmp_path, caplog):
        classes(tmp_path / "train")
        assert load(tmp_path).class_names == ("ant", "bee")
        assert "a fifth of train is held out" in caplog.text

    def test_folders_beside_them_are_told(self, tmp_path, caplog):
        for split in ("train", "test", "extra"):
            classes(tmp_path / split)
        load(tmp_path)
        assert "folders beside train are left out: extra" in caplog.text

    @pytest.mark.parametrize(
        ("names", "fault"),
        [
            (("train/a/1", "train/b/1", "valid/a/1", "val/a/1"), "there are several for val"),
            (("val/a/1", "test/a/1"), r"none to learn from \(train\)"),
            (("train/1", "test/1"), r"no class folders are in train, test \(wanted: train/<class>/image\)"),
            (("train/a/1", "train/b/1", "test/1"), "no class folders are in test"),
        ],
    )
    def test_what_cannot_be_told_is_refused(self, tmp_path, names, fault):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
        with pytest.raises(OhloraError, match=f"look like splits of one dataset, not like classes.*{fault}"):
            load(tmp_path)

    def test_a_class_may_be_called_train(self, tmp_path):
        assert load(classes(tmp_path, "train car test")).class_names == ("car", "test", "train")

    def test_a_class_missing_in_test_is_named(self, tmp_path):
        classes(tmp_path / "train", "ant bee moth")
        classes(tmp_path / "test", "ant bee")
        with pytest.raises(OhloraError, match="test has no images of: moth"):
            load(tmp_path)

    def test_names_are_compared_in_one_unicode_form(self, tmp_path):
        for split, form in (("train", "NFC"), ("test", "NFD")):
            classes(tmp_path / split, unicodedata.normalize(form, "café 고양이"))
        assert load(tmp_path).class_names == ("café", "고양이")

    def test_one_name_in_two_unicode_forms_is_refused(self, tmp_path):
        classes(tmp_path, "owl café " + unicodedata.normalize("NFD", "café"))
        with pytest.raises(OhloraError, match="one name in two Unicode spellings: café"):
            load(tmp_path)


class TestWhatIsSaid:
    def test_the_same_picture_to_learn_from_and_to_test_on(self, tmp_path, caplog):
        for split in ("train", "test"):
            classes(tmp_path / split)
        shutil.copy(tmp_path / "train" / "ant" / "3.png", tmp_path / "test" / "ant" / "copy.png")
        load(tmp_path)
        assert "also learned from: 1 (train/ant/3.png = test/ant/copy.png)" in caplog.text

    def test_the_same_picture_in_two_classes(self, tmp_path, caplog):
        classes(tmp_path)
        shutil.copy(tmp_path / "ant" / "0.png", tmp_path / "bee" / "copy.png")
        load(tmp_path)
        assert "the same picture in two classes: 1 (ant/0.png = bee/copy.png)" in caplog.text

    def test_pictures_that_show_nothing(self, tmp_path, caplog):
        classes(tmp_path)
        Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "ant" / "clear.png")
        load(tmp_path)
        assert "pictures that show hardly more than one colour: 1 (ant/clear.png)" in caplog.text

    def test_files_left_out(self, tmp_path, caplog):
        classes(tmp_path)
        for name in ("ant/1.heic", "ant/2.heic", "ant/notes.txt", "ant/.DS_Store"):
            (tmp_path / name).touch()
        Image.new("L", (4, 4)).save(tmp_path / "loose.png")
        load(tmp_path)
        assert "3 files in ant left out, no images by suffix: .heic 2, .txt 1" in caplog.text
        assert "1 image in no class folder left out: loose.png" in caplog.text
        assert "DS_Store" not in caplog.text

    def test_nothing_of_a_sound_folder(self, tmp_path, caplog):
        assert not load(classes(tmp_path)).notes
        assert not caplog.records

    def test_a_page_is_told_as_well(self, tmp_path, caplog):
        """Every note has a phrase of words.json, whose gaps its values fill."""
        for split, count in (("train", 7), ("val", 3), ("test", 2), ("extra", 1)):
            classes(tmp_path / split, count=count)
        (tmp_path / "train" / "ant" / "notes.txt").touch()
        Image.new("L", (4, 4)).save(tmp_path / "train" / "loose.png")
        Image.new("L", (4, 4)).save(tmp_path / "train" / "bee" / "flat.png")
        shutil.copy(tmp_path / "train" / "ant" / "0.png", tmp_path / "train" / "bee" / "copy.png")
        shutil.copy(tmp_path / "train" / "ant" / "1.png", tmp_path / "test" / "ant" / "copy.png")
        notes = load(tmp_path).notes
        assert [note.part[0] for note in notes] == [
            *("note_beside", "note_left_out", "note_loose", "note_validation"),
            *("note_both_sides", "note_two_classes", "note_flat"),
        ]
        assert all(note.text in caplog.text for note in notes)
        for split in ("extra", "test"):
            shutil.rmtree(tmp_path / split)
        shutil.rmtree(tmp_path / "train" / "bee")
        classes(tmp_path / "train", count=7)
        notes = load(tmp_path).notes
        shutil.rmtree(tmp_path / "val")
        for note in (*notes, *load(tmp_path).notes):
            key, values = note.part
            assert all("{" not in phrase(language, key, **values) for language in ("en", "ko"))
        assert load(tmp_path).notes[0].part == ("note_held_out", {"train": "train"})


class TestOneScale:
    def test_deep_pictures_of_a_folder_share_it(self, tmp_path, caplog):
        """Dim classes stay dim: a scale of its own for each picture would make all alike."""
        for name, value in (("dim", 1000), ("bright", 4000)):
            (tmp_path / name).mkdir()
            for i in range(5):
                grey = np.full((8, 8), value, np.uint16)
                grey[:, : i + 1] = 0
                Image.fromarray(grey).save(tmp_path / name / f"{i}.png")
        data = load(tmp_path)
        assert data.class_names == ("bright", "dim")
        assert data.train.images[data.train.labels == 0].max() == round(4000 / 4095 * 255)
        assert data.train.images[data.train.labels == 1].max() == round(1000 / 4095 * 255)
        assert "10 pictures deeper than 8 bits: 4095 becomes white" in caplog.text

    def test_values_without_a_scale_are_refused_by_name(self, tmp_path):
        classes(tmp_path)
        Image.fromarray(np.full((4, 4), -5, np.int32)).save(tmp_path / "ant" / "ct.tif")
        with pytest.raises(OhloraError, match=r"ant/ct\.tif has values below 0") as caught:
            load(tmp_path)
        assert caught.value.parts == (("folder_values", {"names": "ant/ct.tif"}),)


class TestRefusals:
    @pytest.mark.parametrize("count", [1, 2])
    def test_a_class_too_small_is_named(self, tmp_path, count):
        classes(tmp_path)
        write_images(tmp_path / "yak", count, 10)
        with pytest.raises(OhloraError, match=f"classes with fewer than 3 images to learn from: yak {count}"):
            load(tmp_path)

    def test_three_images_a_class_are_played_on(self, tmp_path, cache_dir):
        subset = WHOLE.draw(load(classes(tmp_path, count=3)), 0, cache_dir)
        assert (len(subset.train), len(subset.val), len(subset.test)) == (2, 2, 2)

    def test_links_that_lead_nowhere(self, tmp_path):
        classes(tmp_path)
        (tmp_path / "ant" / "shard").symlink_to(tmp_path / "nowhere")
        with pytest.raises(OhloraError, match="links that lead nowhere, or no files: ant/shard"):
            load(tmp_path)

    @pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
    def test_a_class_whose_name_is_not_utf8(self, tmp_path):
        classes(tmp_path)
        os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")  # noqa: PTH102  bytes
        with pytest.raises(OhloraError, match=r"whose names are not UTF-8: caf\\udce9; rename them"):
            load(tmp_path)

    @pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
    def test_an_image_whose_name_is_not_utf8(self, tmp_path):
        """No table of mistakes could name it."""
        classes(tmp_path)
        shutil.copy(tmp_path / "ant" / "0.png", os.fsencode(tmp_path) + b"/ant/caf\xe9.png")
        with pytest.raises(OhloraError, match=r"whose names are not UTF-8: ant/caf\\udce9\.png; rename them"):
            load(tmp_path)

    def test_small_empty_and_torn_are_told_together(self, tmp_path):
        classes(tmp_path)
        write_images(tmp_path / "yak", 2, 10)
        (tmp_path / "void").mkdir()
        (tmp_path / "ant" / "torn one.png").touch()
        with pytest.raises(OhloraError) as caught:
            load(tmp_path)
        told = str(caught.value)
        assert "no images in: void; classes with fewer than 3 images to learn from: yak 2; " in told
        assert "1 file cannot be read as images: ant/torn one.png (allowed: " in told

    def test_large_and_dark_ones_are_told_why(self, tmp_path, monkeypatch):
        classes(tmp_path)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
        Image.new("L", (50, 50)).save(tmp_path / "ant" / "a big one.png")
        Image.fromarray(np.full((4, 4), -5, np.int32)).save(tmp_path / "bee" / "ct.tif")
        with pytest.raises(OhloraError, match=r"a big one\.png is too large .*; bee/ct\.tif has v") as caught:
            load(tmp_path)
        assert caught.value.parts == (
            ("folder_unreadable", {"names": "ant/a big one.png"}),
            ("folder_values", {"names": "bee/ct.tif"}),
        )

    def test_a_class_that_may_not_be_read(self, tmp_path, monkeypatch):
        def closed(folder):
            if folder.name == "bee":
                raise PermissionError(13, "Permission denied", str(folder))
            return find_images(folder)

        monkeypatch.setattr("ohlora.datasets.folder.find_images", closed)  # root may read everything
        with pytest.raises(OhloraError, match="folders that may not be read: bee"):
            load(classes(tmp_path))

    def test_a_link_above_is_no_class(self, tmp_path):
        classes(tmp_path)
        (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
        assert load(tmp_path).class_names == ("ant", "bee")


@pytest.mark.parametrize("names", ["0 1 10", "yes no null", "a=b c,d ${oops}", "-dash mug[red] 🐱"])
def test_any_name_is_a_class(tmp_path, names):
    assert set(load(classes(tmp_path, names)).class_names) == set(names.split())


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    classes(tmp_path / "own")
    assert load(Path("~/own")).class_names == ("ant", "bee")


def test_a_folder_may_be_called_by_a_number():
    assert Folder(2024, 8).root == "2024"  # type: ignore[arg-type]
    with pytest.raises(OhloraError, match="root=true is not text, or null"):
        Folder(True, 8)  # type: ignore[arg-type]
