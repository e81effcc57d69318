"""Zips as people make them are unpacked; zips made to do harm are refused, and leave nothing outside."""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ohlora.errors import OhloraError
from ohlora.web.phrases import Phrased, table
from ohlora.web.uploads import UploadLimits, unpack

LIMITS = UploadLimits(unpacked_mb=1, images=20, megapixels=1)


def png(width: int = 4, height: int = 4) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "png")
    return file.getvalue()


IMAGE = png()


def zipped(
    files: Mapping[str | zipfile.ZipInfo, bytes], path: Path, method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[..., list[str]]:
    """`unpacked(files)`: what lies below the folder of class folders, having checked that all is inside."""

    def run(files: Mapping[str | zipfile.ZipInfo, bytes] | Path, **limits: int) -> list[str]:
        archive = files if isinstance(files, Path) else zipped(files, tmp_path / "a.zip")
        before = {*tmp_path.rglob("*")}
        home = tmp_path / "inside" / "upload"
        try:
            root = unpack(archive, home, replace(LIMITS, **limits))
        finally:
            outside = {*tmp_path.rglob("*")} - before - {*home.rglob("*"), home, home.parent}
            assert not outside
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    return run


def test_images_are_unpacked_and_nothing_else(unpacked: Callable[..., list[str]]) -> None:
    files = {"cats/1.png": IMAGE, "dogs/b/2.PNG": IMAGE, "read me.txt": b"x", "cats/run.exe": b"x"}
    assert unpacked(files) == ["cats/1.png", "dogs/b/2.PNG"]


def test_a_zipped_folder_is_the_folder(unpacked: Callable[..., list[str]]) -> None:
    files = {"pets/cats/1.png": IMAGE, "pets/dogs/1.png": IMAGE}
    leftovers = {"__MACOSX/pets/cats/._1.png": b"x", "pets/.DS_Store": b"x", "pets/cats/.hidden.png": IMAGE}
    assert unpacked({**files, **leftovers}) == ["cats/1.png", "dogs/1.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_korean_names_that_no_flag_explains(
    unpacked: Callable[..., list[str]], tmp_path: Path, encoding: str
) -> None:
    """As Korean Windows writes them, and tools that write UTF-8 without saying so."""
    name = "고양이/1.png".encode(encoding).decode("cp437")
    archive = zipped({"xx/1.png": IMAGE, "yy/1.png": IMAGE}, tmp_path / "a.zip", zipfile.ZIP_STORED)
    raw = archive.read_bytes()
    # The same entry under another name: its length is all that the records around it know.
    info = zipfile.ZipInfo("x" * len(name.encode("cp437")))
    archive.write_bytes(raw)
    zipped({info: IMAGE, "yy/1.png": IMAGE}, archive, zipfile.ZIP_STORED)
    archive.write_bytes(archive.read_bytes().replace(info.filename.encode(), name.encode("cp437")))
    assert unpacked(archive) == ["yy/1.png", "고양이/1.png"]


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "cats/../../evil.png",
        "/tmp/evil.png",
        "C:/evil.png",
        "..\\evil.png",
        "\\\\host\\evil.png",
    ],
)
def test_names_that_lead_out_are_refused(unpacked: Callable[..., list[str]], name: str) -> None:
    with pytest.raises(OhloraError, match="lead out of the folder"):
        unpacked({"cats/1.png": IMAGE, name: IMAGE})


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("cats/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("files", "limits", "words"),
    [
        ({link(): b"/etc/passwd", "cats/1.png": IMAGE}, {}, "links and other things"),
        ({"cats/1.png": bytes(2_000_000)}, {}, "2 MB once unpacked, of 1"),
        ({f"cats/{n}.png": IMAGE for n in range(21)}, {}, "21 images, of 20"),
        ({"notes.txt": b"x"}, {}, "no images in it"),
        ({"cats/1.png": IMAGE, "CATS/1.png": IMAGE}, {}, "one name twice"),
        ({"cats/1.png": IMAGE, "cats//1.png": IMAGE}, {}, "one name twice: cats//1.png"),
        ({"cats/1.png": IMAGE, "./cats/1.png": IMAGE}, {}, "one name twice"),
        ({"cats.png": IMAGE, "cats.png/1.png": IMAGE}, {}, "one name twice: cats.png/1.png"),
        ({"cats.png/1.png": IMAGE, "cats.png": IMAGE}, {}, "one name twice: cats.png"),
        ({"Cat/1.png": IMAGE, "cat/2.png": IMAGE}, {}, "one name twice: cat/2.png"),
        ({"고양이/1.png": IMAGE, decomposed("고양이/2.png"): IMAGE}, {}, "one name twice"),
        ({"cats/con.png": IMAGE}, {}, "not allowed: cats/con.png"),
        ({"cats/a:b.png": IMAGE}, {}, "not allowed"),
        ({"a/b/c/d/e/f/g/h/1.png": IMAGE}, {}, "too long"),
        ({f"{'x' * 201}/1.png": IMAGE}, {}, "too long"),
        ({"cats/huge.png": png(2000, 600)}, {}, "more than 1 megapixels: cats/huge.png"),
    ],
)
def test_what_else_is_refused(
    unpacked: Callable[..., list[str]], files: dict[str, bytes], limits: dict[str, int], words: str
) -> None:
    with pytest.raises(OhloraError, match=words):
        unpacked(files, **limits)


def test_every_fault_at_once(unpacked: Callable[..., list[str]]) -> None:
    with pytest.raises(OhloraError) as caught:
        unpacked({link(): b"x", "../1.png": IMAGE, "aux/1.png": IMAGE, "big.png": bytes(1_500_000)})
    for words in ("lead out", "links", "aux/1.png", "2 MB once unpacked"):
        assert words in str(caught.value)


def test_every_fault_has_its_phrase_in_both_languages(unpacked: Callable[..., list[str]]) -> None:
    with pytest.raises(Phrased) as caught:
        unpacked({"../<b>.png": IMAGE, "a b.png": bytes(1_500_000)})
    keys = [key for key, _ in caught.value.parts]
    assert keys == ["zip_slip", "zip_unpacked"]
    korean = [table()[key]["ko"].format(**values) for key, values in caught.value.parts]
    assert korean[0] == "폴더 밖을 가리키는 이름: ../<b>.png"
    assert korean[1] == "압축을 풀면 2 MB, 최대 1 MB까지 돼"


def test_encrypted_files_are_refused(unpacked: Callable[..., list[str]], tmp_path: Path) -> None:
    archive = zipped({"cats/1.png": IMAGE}, tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    archive.write_bytes(bytes(raw))
    with pytest.raises(OhloraError, match="encrypted files: cats/1"):
        unpacked(archive)


def test_a_zip_that_is_not_whole_is_damaged(unpacked: Callable[..., list[str]], tmp_path: Path) -> None:
    """As where its download broke off: its directory stands at the end."""
    whole = zipped({f"cats/{n}.png": IMAGE for n in range(9)}, tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Phrased, match="damaged or not whole") as caught:
        unpacked(tmp_path / "a.zip")
    assert caught.value.parts == (("zip_damaged", {}),)  # without zipfile's English words


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06"])
def test_what_is_no_zip(unpacked: Callable[..., list[str]], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(OhloraError, match="not a zip"):
        unpacked(tmp_path / "a.zip")


def test_a_zip_that_says_less_than_it_holds(unpacked: Callable[..., list[str]], tmp_path: Path) -> None:
    """Declared 10 bytes, 1.5 MB inside: what is declared is read, and does not fit its checksum."""
    archive = zipped({"cats/1.png": bytes(1_500_000)}, tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", raw, raw.index(signature) + offset, 10)
    archive.write_bytes(bytes(raw))
    with pytest.raises(OhloraError, match="damaged"):
        unpacked(archive)
    assert sum(path.stat().st_size for path in tmp_path.rglob("1.png")) <= 10


def test_millions_of_names_are_not_even_read(unpacked: Callable[..., list[str]], tmp_path: Path) -> None:
    archive = zipped({"cats/1.png": IMAGE}, tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    struct.pack_into("<L", raw, raw.index(b"PK\x05\x06") + 12, 200_000_000)  # bytes of the directory
    archive.write_bytes(bytes(raw))
    with pytest.raises(OhloraError, match="more than 20 files"):
        unpacked(archive)


def test_two_gigabytes_declared_and_none_written(unpacked: Callable[..., list[str]], tmp_path: Path) -> None:
    archive = zipped({"cats/1.png": IMAGE, "dogs/1.png": IMAGE}, tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", raw, raw.index(signature) + offset, 2_000_000_000)
    archive.write_bytes(bytes(raw))
    with pytest.raises(OhloraError, match=r"2,000 MB once unpacked"):
        unpacked(archive)
    assert not list(tmp_path.rglob("*.png"))
