"""Finding and decoding image files as people keep them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from ohlora.datasets.image_files import (
    GROUND,
    UnreadableImage,
    eight_bits,
    find_images,
    full_scale,
    open_upright,
    read_image,
)


def write(path: Path, image: Image.Image | None = None, **settings) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new("RGB", (6, 6), "red")).save(path, **settings)
    return path


def names(folder: Path, **settings) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images(folder, **settings).images]


class TestFinding:
    def test_any_suffix_that_pillow_reads(self, tmp_path):
        kinds = [".png", ".JPG", ".tif", ".tiff", ".jfif", ".jp2", ".ppm", ".webp", ".bmp", ".gif", ".qoi"]
        kinds += [".avif"] if features.check("avif") else []
        for i, suffix in enumerate(kinds):
            write(tmp_path / f"{i:02d}{suffix}", **({"format": "JPEG"} if suffix == ".jfif" else {}))
        found = find_images(tmp_path)
        assert [path.suffix for path in found.images] == kinds
        assert all(read_image(path).getpixel((3, 3))[0] > 240 for path in found.images)
        assert not found.left_out

    def test_other_files_are_counted(self, tmp_path):
        for name in ("a.heic", "b.HEIC", "notes.txt", "README"):
            (tmp_path / name).touch()
        assert find_images(tmp_path).left_out == {".heic": 2, ".txt": 1, "without suffix": 1}

    @pytest.mark.parametrize(
        "name",
        [
            ".ipynb_checkpoints/a.png", "__MACOSX/._a.png", "._a.png", ".DS_Store", "Thumbs.db",
            "desktop.ini", "deeper/.hidden/a.png", "@eaDir/a.png", "$RECYCLE.BIN/a.png", "__pycache__/x.pyc",
        ],
    )  # fmt: skip
    def test_what_systems_leave_behind_is_neither_data_nor_mentioned(self, tmp_path, name):
        write(tmp_path / "own.png")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
        found = find_images(tmp_path)
        assert [path.name for path in found.images] == ["own.png"]
        assert (found.left_out, found.dead) == ({}, [])

    def test_a_hidden_folder_can_be_named_itself(self, tmp_path):
        write(tmp_path / ".own" / "a.png")
        assert names(tmp_path / ".own") == ["a.png"]

    def test_subfolders_can_be_left_out(self, tmp_path):
        for name in ("a.png", "maps/a.png", "deeper/maps/b.png"):
            write(tmp_path / name)
        assert names(tmp_path, without=["maps"]) == ["a.png", "deeper/maps/b.png"]

    def test_links_are_followed_and_each_file_is_listed_once(self, tmp_path):
        dog, store = tmp_path / "photos" / "dog", tmp_path / "store"
        for path in (
            dog / "own.png",
            store / "1.png",
            store / "2.png",
            tmp_path / "photos" / "cat" / "c.png",
        ):
            write(path)
        (dog / "more").symlink_to(store, target_is_directory=True)
        (dog / "more_again").symlink_to(store, target_is_directory=True)
        (dog / "one.png").symlink_to(store / "1.png")
        (dog / "itself").symlink_to(dog, target_is_directory=True)
        (dog / "above").symlink_to(tmp_path / "photos", target_is_directory=True)
        assert names(dog) == ["more/1.png", "more/2.png", "own.png"]

    def test_links_that_lead_nowhere_are_told(self, tmp_path):
        for name in ("shard", "gone.png"):
            (tmp_path / name).symlink_to(tmp_path / "nowhere")
        assert sorted(path.name for path in find_images(tmp_path).dead) == ["gone.png", "shard"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "endless.png")
        assert [path.name for path in find_images(tmp_path).dead] == ["endless.png"]


UPRIGHT = np.array([[10, 60], [120, 250], [180, 90]], dtype=np.uint8)  # no two turns of it are alike
# What a camera stores for each EXIF orientation, so that it is shown upright.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: UPRIGHT.T[::-1, ::-1],
    8: np.rot90(UPRIGHT, -1),
}


def enlarged(array: np.ndarray) -> np.ndarray:
    return np.kron(array, np.ones((16, 16), dtype=array.dtype))


class TestDecoding:
    @pytest.mark.parametrize("orientation", STORED)
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
    def test_turned_upright(self, orientation, kind):
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        settings = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
        stored = np.ascontiguousarray(enlarged(STORED[orientation]))
        Image.fromarray(stored).save(file, kind, exif=exif, **settings)
        shown = np.asarray(read_image(file))[8::16, 8::16, 0]
        assert np.abs(shown.astype(int) - UPRIGHT).max() < 4

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LA", "RGBA", "PA", "I;16"])
    def test_every_mode_becomes_rgb(self, mode, tmp_path):
        image = Image.new("RGB", (8, 8), "white").convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            image = Image.fromarray(np.full((8, 8), 65535, np.uint16))
        kind = {"CMYK": "TIFF", "YCbCr": "JPEG", "PA": "TIFF"}.get(mode, "PNG")
        if mode == "PA":
            image = Image.new("PA", (8, 8))
            image.putpalette([255, 255, 255] * 256)
            image.putalpha(255)
            image = image.convert("RGBA")
        file = io.BytesIO()
        image.save(file, kind)
        picture = read_image(file)
        assert picture.mode == "RGB"
        assert np.asarray(picture).min() > 245

    @pytest.mark.parametrize("ink", [0, 255])
    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_an_icon_drawn_in_its_alpha_channel_is_seen(self, ink, mode):
        alpha = np.zeros((8, 8), np.uint8)
        alpha[2:6, 2:6] = 255
        grey = np.full((8, 8), ink, np.uint8)
        file = io.BytesIO()
        Image.fromarray(np.dstack([*[grey] * (len(mode) - 1), alpha])).save(file, "PNG")
        pixels = np.asarray(read_image(file))
        assert pixels[0, 0].tolist() == list(GROUND)
        assert pixels[4, 4].tolist() == [ink] * 3

    def test_transparent_colours_of_palettes_and_headers_are_ground_too(self):
        for image in (Image.new("P", (4, 4), 0), Image.new("RGB", (4, 4), (0, 0, 0))):
            file = io.BytesIO()
            image.save(file, "PNG", transparency=0 if image.mode == "P" else (0, 0, 0))
            assert read_image(file).getpixel((1, 1)) == GROUND

    @pytest.mark.parametrize(
        ("array", "kind"),
        [
            (np.array([[0, 32768, 65535]], np.uint16), "PNG"),
            (np.array([[0, 2048, 4095]], np.uint16), "PNG"),  # a 12-bit camera's
            (np.array([[0, 32768, 65535]], np.uint16), "TIFF"),
            (np.array([[0, 128, 255]], np.int32), "TIFF"),
            (np.array([[0, 2**30, 2**31 - 1]], np.int32), "TIFF"),
            (np.array([[0, 0.5, 1]], np.float32), "TIFF"),
            (np.array([[0, 127.5, 255]], np.float32), "TIFF"),
        ],
    )
    def test_more_than_8_bits_are_scaled(self, array, kind):
        file = io.BytesIO()
        Image.fromarray(array).save(file, kind)
        assert np.asarray(read_image(file))[0, :, 0].tolist() == [0, pytest.approx(128, abs=1), 255]

    def test_the_scale_of_a_set_is_that_of_its_largest_value(self):
        assert [full_scale(x, "I") for x in (0, 255, 256, 4095, 4096, 65535, 70_000)] == [
            255, 255, 1023, 4095, 16383, 65535, 2**24 - 1,
        ]  # fmt: skip
        assert [full_scale(x, "F") for x in (0.2, 1.0, 1.5, 255.0)] == [1, 1, 255, 255]
        dim = Image.fromarray(np.full((2, 2), 100, np.uint16)).convert("I")
        assert eight_bits(dim, 4095).getpixel((0, 0)) == (6, 6, 6)

    @pytest.mark.parametrize(
        ("array", "why"),
        [
            (np.array([[-1000, 500]], np.int32), "photo.tif has values below 0 (-1000 to 500)"),
            (np.array([[0, np.nan]], np.float32), "photo.tif has values that are not finite"),
            (np.array([[0, np.inf]], np.float32), "photo.tif has values that are not finite"),
        ],
    )
    def test_values_without_a_scale_are_refused(self, tmp_path, array, why):
        with pytest.raises(UnreadableImage) as caught:
            open_upright(write(tmp_path / "photo.tif", Image.fromarray(array)))
        assert str(caught.value).startswith(why)

    def test_a_wrong_suffix_does_not_matter(self, tmp_path):
        path = write(tmp_path / "really_a_jpeg.png", format="JPEG")
        assert read_image(path).size == (6, 6)

    def test_one_that_is_too_large_is_told_so(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
        Image.new("L", (20, 20)).save(tmp_path / "big.png")
        with pytest.raises(UnreadableImage, match=r"big\.png is too large \(400 pixels; up to 80 are read\)"):
            open_upright(tmp_path / "big.png")

    def test_one_that_may_not_be_read_is_told_so(self, tmp_path, monkeypatch):
        def refused(*given, **named):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Image, "open", refused)  # root may read everything
        with pytest.raises(UnreadableImage, match=r"a\.png may not be read \(permission denied\)"):
            open_upright(tmp_path / "a.png")

    def test_a_large_photo_needs_no_full_decoding(self, tmp_path):
        path = write(tmp_path / "large.jpg", Image.new("RGB", (640, 480), "red"))
        assert read_image(path, at_least=64).size == (160, 120)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"<!DOCTYPE html><html>",
            b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
            b"GIF89a" + b"\xff" * 40,
            b"%!PS-Adobe",
        ],
        ids=["empty", "a web page", "no PNG", "no GIF", "PostScript"],
    )
    def test_what_is_no_image_is_named(self, tmp_path, content):
        (tmp_path / "photo.png").write_bytes(content)
        with pytest.raises(UnreadableImage, match=r"photo\.png cannot be read as an image"):
            read_image(tmp_path / "photo.png")

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000"])
    def test_a_cut_off_file_is_named(self, tmp_path, kind):
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
        whole = io.BytesIO()
        Image.fromarray(noise).save(whole, kind)
        for share in (0.1, 0.5, 0.9):
            (tmp_path / "cut").write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * share)])
            with pytest.raises(UnreadableImage):
                read_image(tmp_path / "cut")
