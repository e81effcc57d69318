"""Photo sets: five renders, written to disk in each set's layout, come back as they were."""

from __future__ import annotations

import json
import math
import shutil
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.build import build
from ohlora.datasets.pictures import to_picture
from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.laboratory.measures.scores import SOFT_SCORES, one_hot, soft_scores
from ohlora.laboratory.sources import photos
from ohlora.laboratory.sources.faces import Faces, render
from ohlora.laboratory.sources.parsing import ORDERS, PARTS, CelebAMaskParser, painted, sided, to_eleven
from ohlora.laboratory.sources.photo_files import Photo
from ohlora.laboratory.sources.photos import drawn_split
from ohlora.laboratory.sources.settings import PhotoFaces

SIZE = 64
SHARES = {"train": 0.7, "val": 0.1, "test_a": 0.1, "test_b": 0.1}


@pytest.fixture(scope="module")
def five(renderer, population) -> Faces:
    draws = population.sample(seed=9, indices=range(5))
    draws.severity.zero_()
    draws.properties[:, 0] = 0.9  # eyes open, so that every class is there
    draws.properties[:, 3] = 0.8
    return render(renderer, draws)


@pytest.fixture
def source(composed):
    """`source("ffhq", root, limit=2)`: the set as conf has it."""

    def made(layout: str, root: Path | str | None, *overrides: str, **settings) -> PhotoFaces:
        given = [f"dataset.{key}={'null' if value is None else value}" for key, value in settings.items()]
        config = composed(
            "photo_sheet", f"dataset=faces_{layout}", "dataset.cache_dir=null", *given, *overrides
        )
        config.dataset.root = None if root is None else str(root)
        return build(config.dataset)

    return made


def picture(five: Faces, row: int) -> Image.Image:
    return to_picture(five.images[row])


def write(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture
def folder(five, tmp_path) -> Path:
    root = tmp_path / "folder"
    for row in range(5):
        write(picture(five, row), root / f"face{row}.png")
        write(Image.fromarray(five.label_maps[row].numpy()), root / "maps" / f"face{row}.png")
    (root / "labels.csv").write_text("file,gender,quality\nface0.png,1,0.9\nface3,0.25,\n")
    return root


@pytest.fixture
def ffhq(five, tmp_path) -> Path:
    root = tmp_path / "ffhq"
    for row in range(5):
        number = f"{row + 59_998:05d}"
        place = Path(f"{int(number) // 1000 * 1000:05d}") / f"{number}.png"
        write(picture(five, row).resize((128, 128)), root / "thumbnails128x128" / place)
    told = {str(n): {"category": "training" if n < 60_000 else "validation"} for n in range(59_990, 60_010)}
    (root / "ffhq-dataset-v2.json").write_text(json.dumps(told))
    return root


@pytest.fixture
def celebamask(five, tmp_path) -> Path:
    """Photos of 128 px, masks of 64 px, left and right by the person: the wrong way round for us."""
    root = tmp_path / "celebamask"
    named = {label: part for part, label in PARTS.items() if label}
    swap = {"l_eye": "r_eye", "r_eye": "l_eye", "l_brow": "r_brow", "r_brow": "l_brow"}
    numbers = [0, 7, 1999, 2000, 29_999]
    for row, number in enumerate(numbers):
        large = picture(five, row).resize((128, 128), Image.Resampling.NEAREST)
        write(large, root / "CelebA-HQ-img" / f"{number}.jpg")
        for label in five.label_maps[row].unique().tolist():
            if part := named.get(label):
                mask = (five.label_maps[row] == label).numpy() * np.uint8(255)
                name = f"{number:05d}_{swap.get(part, part)}.png"
                path = root / "CelebAMask-HQ-mask-anno" / str(number // 2000) / name
                write(Image.fromarray(mask).convert("RGB"), path)
    names = ["5_o_Clock_Shadow", "Blurry", "Eyeglasses", "Male", "Young"]
    lines = ["5", " ".join(names)]
    for row, number in enumerate(numbers):
        values = [-1, 1 if row == 4 else -1, -1, 1 if row % 2 else -1, 1]
        lines.append(f"{number}.jpg  {' '.join(map(str, values))}")
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text("\n".join(lines) + "\n")
    poses = [
        "5",
        "Yaw Pitch Raw",
        *(f"{number}.jpg {10.0 * row} 1.0 2.0" for row, number in enumerate(numbers)),
    ]
    (root / "CelebAMask-HQ-pose-anno.txt").write_text("\n".join(poses) + "\n")
    celeba = [162_770, 162_771, 182_637, 182_638, 5]
    mapping = [
        "idx orig_idx orig_file",
        *(f"{n} {c - 1} {c:06d}.jpg" for n, c in zip(numbers, celeba, strict=True)),
    ]
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(mapping) + "\n")
    return root


def everything(source: PhotoFaces) -> Faces:
    return photos.PhotoPart(source, "", torch.arange(len(source.photos))).whole()


def test_a_folder_comes_back_as_it_was_written(source, folder, five):
    faces = everything(source("folder", folder, resolution=SIZE))
    assert torch.equal(faces.images, five.images)
    assert torch.equal(faces.label_maps, five.label_maps)
    np.testing.assert_array_equal(faces.gender.numpy(), np.float32([1, np.nan, np.nan, 0.25, np.nan]))
    np.testing.assert_array_equal(faces.quality.numpy(), np.float32([0.9, *[np.nan] * 4]))
    expected = soft_scores(one_hot(five.label_maps), to_network(five.images))
    torch.testing.assert_close(faces.properties, expected)
    assert faces.identity is None
    assert faces.twin_of.tolist() == [-1] * 5


def test_what_a_folder_lacks_is_missing(source, folder):
    for path in (folder / "maps").iterdir():
        path.unlink()
    (folder / "maps").rmdir()
    (folder / "labels.csv").unlink()
    bare = source("folder", folder)
    faces = everything(bare)
    assert faces.label_maps is faces.properties is faces.gender is faces.quality is None
    assert set(bare.provenance.values()) == {"missing"}
    parser = source("folder", folder)
    parser = PhotoFaces(**{**vars(parser), "parser": lambda images: torch.zeros(len(images), 11, 64, 64)})
    assert everything(parser).label_maps.unique().tolist() == [0]
    assert parser.provenance["label_maps"] == "predicted"
    assert parser.provenance["properties"] == "scored on predicted maps"


def test_sizes_shapes_and_colours_are_made_alike(source, five, tmp_path):
    wide = Image.new("RGB", (200, 128), "white")
    wide.paste(picture(five, 0).resize((128, 128)), (36, 0))
    write(wide, tmp_path / "wide.png")
    write(picture(five, 1).convert("L"), tmp_path / "deep" / "grey.jpg")
    faces = everything(source("folder", tmp_path, resolution=SIZE))
    assert faces.images.shape == (2, 3, SIZE, SIZE)
    assert (faces.images[1].float() - five.images[0].float()).abs().mean() < 3
    assert torch.equal(faces.images[0, 0], faces.images[0, 2])


def test_ffhq(source, ffhq, five):
    read = source("ffhq", ffhq)
    faces = everything(read)
    assert [photo.name for photo in read.photos] == ["59998", "59999", "60000", "60001", "60002"]
    assert faces.label_maps is None
    assert (faces.images.float() - five.images.float()).abs().mean() < 3
    splits = [list(SHARES)[row] for row in faces.split.tolist()]
    assert splits[:2] == ["train", "train"]
    assert "train" not in splits[2:]
    (ffhq / "labels.csv").write_text("file,quality\n60001.png,0.5\n")
    assert everything(source("ffhq", ffhq)).quality[3] == 0.5


def test_ffhq_takes_the_large_images_where_the_small_do_not_do(source, ffhq):
    for row in (59_998, 60_000):
        write(Image.new("RGB", (300, 300), "red"), ffhq / "images1024x1024" / f"{row}.png")
    assert len(source("ffhq", ffhq, resolution=128).photos) == 5
    assert len(source("ffhq", ffhq, resolution=256).photos) == 2


def test_celebamask(source, celebamask, five):
    read = source("celebamask", celebamask)
    faces = everything(read)
    assert [photo.name for photo in read.photos] == ["0", "7", "1999", "2000", "29999"]
    assert torch.equal(
        faces.label_maps, five.label_maps
    )  # 4 is the left eye of the picture, whatever its file says
    assert faces.gender.tolist() == [1, 0, 1, 0, 1]
    assert faces.quality.tolist() == [1, 1, 1, 1, 0]
    names = [list(SHARES)[row] for row in faces.split.tolist()]
    assert names[:3] == ["train", "val", "val"]
    assert names[3] in ("test_a", "test_b")
    assert names[4] == "train"
    yaw = faces.properties[:, SOFT_SCORES.index("yaw")]
    torch.testing.assert_close(yaw, torch.tensor([math.radians(10 * row) for row in range(5)]))
    turned = everything(source("celebamask", celebamask, yaw_sign=-1))
    torch.testing.assert_close(turned.properties[:, SOFT_SCORES.index("yaw")], -yaw)
    part = read.part("train")
    assert part.label("young").tolist() == [1, 1]
    assert part.label("glasses").tolist() == [0, 0]


def test_people_never_cross_splits(source, celebamask):
    (celebamask / "CelebA-HQ-to-CelebA-mapping.txt").write_text(
        "idx orig_idx orig_file\n"
        + "".join(f"{n} 0 {i + 190_000}.jpg\n" for i, n in enumerate([0, 7, 1999, 2000, 29_999]))
    )
    (celebamask / "identity_CelebA.txt").write_text(
        "".join(f"{i + 190_000}.jpg {3 if i < 4 else 8}\n" for i in range(5))
    )
    faces = everything(source("celebamask", celebamask))
    assert faces.identity.tolist() == [3, 3, 3, 3, 8]
    assert len(set(faces.split.tolist()[:4])) == 1


def test_splits_follow_their_shares_and_the_name_alone(tmp_path):
    named = [drawn_split(Photo(f"{n:05d}", tmp_path / "x.png"), SHARES) for n in range(4000)]
    for name, share in SHARES.items():
        assert named.count(name) / 4000 == pytest.approx(share, abs=0.02)
    assert named[:50] == [drawn_split(Photo(f"{n:05d}", Path("elsewhere.jpg")), SHARES) for n in range(50)]
    tests = [drawn_split(Photo(str(n), tmp_path, splits=("test_a", "test_b")), SHARES) for n in range(400)]
    assert tests.count("test_a") == pytest.approx(200, abs=40)
    with pytest.raises(OhloraError, match="is of split val"):
        drawn_split(Photo("a", tmp_path, splits=("val",)), {"train": 1.0})


def test_a_folders_own_split(source, five, tmp_path):
    for row, place in enumerate(["train", "train", "val", "test", "other"]):
        write(picture(five, row), tmp_path / place / f"{row}.png")
    read = source("folder", tmp_path)
    splits = {photo.name: list(SHARES)[row] for photo, row in zip(read.photos, read.split_of, strict=True)}
    assert (splits["train/0"], splits["train/1"], splits["val/2"]) == ("train", "train", "val")
    assert splits["test/3"] in ("test_a", "test_b")
    part = read.part("train")
    assert len(part) >= 2
    assert [len(batch) for batch in replace(part.in_order(), batch_size=1)] == [1] * len(part)
    assert len(part.keep(torch.tensor([True, *[False] * (len(part) - 1)]))) == 1
    assert len(read.part("train", count=1)) == 1
    with pytest.raises(OhloraError, match="have no counterfactual"):
        part.faces(torch.arange(1), twins=True)
    assert len(read.part("train", count=9)) == len(part)
    with pytest.raises(OhloraError, match="has no label maps to score properties on"):
        _ = part.properties
    with pytest.raises(OhloraError, match="split=test is not one of"):
        read.part("test")


def test_the_cache_is_read_and_follows_the_files(source, folder, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    first = everything(source("folder", folder, cache_dir=cache))
    assert len(list(cache.rglob("*.npy"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(PhotoFaces, "read_pixels", lambda *_: pytest.fail("read twice"))
        again = everything(source("folder", folder, cache_dir=cache))
    assert torch.equal(first.images, again.images)
    write(Image.new("RGB", (64, 64), "red"), folder / "face0.png")
    changed = everything(source("folder", folder, cache_dir=cache))
    assert changed.images[0, 0].min() == 255
    (folder / "face1.png").write_bytes(b"no image")
    with pytest.raises(OhloraError, match=r"cannot be read as images: 1 \(face1\.png\)"):
        everything(source("folder", folder, cache_dir=cache))
    assert not list(cache.rglob("*.part"))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are mapped into memory")
def test_a_broken_photo_leaves_no_open_file(source, folder, tmp_path_factory):
    """Windows removes no file that is open, and the error, as long as it is held, refers to what was read."""
    cache = tmp_path_factory.mktemp("cache")
    (folder / "face1.png").write_bytes(b"no image")
    with pytest.raises(OhloraError) as caught:
        everything(source("folder", folder, cache_dir=cache))
    assert caught.value.__traceback__ is not None
    assert str(cache) not in Path("/proc/self/maps").read_text()


def sorted_by_gender(root: Path, each: int = 60) -> Path:
    """Small pictures in men/ and women/, with a labels.csv."""
    rows = []
    for gender, people in enumerate(("men", "women")):
        for number in range(each):
            write(Image.new("RGB", (16, 16), (number, gender * 255, 0)), root / people / f"{number}.png")
            rows.append(f"{people}/{number}.png,{gender}")
    (root / "labels.csv").write_text("\n".join(["file,gender", *rows]) + "\n")
    return root


class TestSortedFolders:
    def test_the_first_of_every_split_are_of_all_folders(self, source, tmp_path):
        read = source("folder", sorted_by_gender(tmp_path), resolution=16)
        few = read.part("train", 20)
        assert 0.2 < float(few.label("gender").mean()) < 0.8
        assert torch.equal(few.positions, read.part("train").positions[:20])
        assert len(set(read.part("train").positions.tolist())) == int((read.split_of == 0).sum())

    def test_a_limit_takes_some_of_all_folders_and_of_all_splits(self, source, tmp_path):
        read = source("folder", sorted_by_gender(tmp_path), resolution=16, limit=40)
        names = [photo.name for photo in read.photos]
        assert len(names) == 40
        assert 8 < sum(name.startswith("men") for name in names) < 32
        everybody = [photo.name for photo in source("folder", tmp_path, resolution=16).photos]
        assert names == [name for name in everybody if name in names]
        assert float((read.split_of == 0).float().mean()) < 0.9


@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_korean_names_of_a_mac_are_the_same_names(source, five, tmp_path, written):
    """A file system may keep what was typed as 철수 in parts."""
    name = unicodedata.normalize(written, "철수")
    write(picture(five, 0), tmp_path / f"{name}.png")
    write(Image.fromarray(five.label_maps[0].numpy()), tmp_path / "maps" / "철수.png")
    (tmp_path / "labels.csv").write_text(
        f"file,gender\n{unicodedata.normalize('NFD', '철수')}.png,1\n", "utf-8"
    )
    (photo,) = source("folder", tmp_path, resolution=SIZE).photos
    assert (photo.name, photo.gender) == ("철수", 1.0)
    assert set(photo.masks) == {""}


def test_a_fingerprint_names_all_that_is_learned(source, folder):
    """Of the training part's photos: labels that are used, yaw, and what a parser makes of them."""

    def told(*labels: str, **settings) -> str:
        read = replace(source("folder", folder, resolution=SIZE), splits={"train": 1.0}, **settings)
        return read.part("train").fingerprint(*labels)

    before = told(), told("gender"), told("quality")
    assert before == (told(), told("gender"), told("quality"))
    (folder / "labels.csv").write_text("file,gender,quality\nface0.png,0,0.9\nface3,0.25,\n")
    assert (told(), told("quality")) == (before[0], before[2])
    assert told("gender") != before[1]
    shutil.rmtree(folder / "maps")
    skin, hair = (
        lambda images, label=label: torch.eye(11)[label].view(11, 1, 1).expand(len(images), -1, SIZE, SIZE)
        for label in (classes.SKIN, classes.HAIR)
    )
    assert told(parser=skin) == told(parser=skin) != told(parser=hair)


def test_the_licence_is_said_once(source, ffhq, celebamask, folder, capsys):
    photos.say_licence.cache_clear()
    for root in (folder, celebamask, celebamask, ffhq, ffhq):
        assert len(source(root.name, root).photos) == 5
    told = capsys.readouterr().err
    assert told.count("CelebAMask-HQ is for non-commercial") == 1
    assert told.count("FFHQ is under") == 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda f: (f / "face2.png").write_bytes((f / "face2.png").read_bytes()[:400]),
            r"as images: 1 \(face2\.png\)",
        ),
        (lambda f: [(f / f"face{n}.png").write_bytes(b"") for n in range(5)], r"cannot be read as images: 5"),
        (lambda f: (f / "maps" / "face1.png").unlink(), r"without a map in maps/: 1 \(face1\)"),
        (lambda f: (f / "face1.png").unlink(), r"maps of no image: 1 \(face1\)"),
        (lambda f: (f / "maps" / "face1.png").write_bytes(b"x"), r"mask cannot be read \(face1\.png\): 1"),
        (lambda f: write(Image.new("L", (64, 64), 11), f / "maps" / "face1.png"), "classes beyond 10"),
        (lambda f: write(Image.new("RGB", (64, 64)), f / "maps" / "face1.png"), "has colours"),
        (lambda f: write(Image.new("L", (64, 99)), f / "maps" / "face1.png"), "another shape"),
        (
            lambda f: write(Image.new("RGB", (32, 32)), f / "face1.png"),
            r"smaller than resolution=64: 1 \(face1\.png\)",
        ),
        (
            lambda f: write(Image.new("RGB", (64, 64)), f / "face1.jpg"),
            r"differ in their suffix only: 1 \(face1\)",
        ),
        (lambda f: (f / "labels.csv").write_text("file,gendre\nface0,1\n"), r"gendre \(did you mean gender"),
        (lambda f: (f / "labels.csv").write_text("gender\n1\n"), "unknown columns: no file"),
        (lambda f: (f / "labels.csv").write_text("file,gender\nface9,1\n"), r"not there: 1 \(face9\)"),
        (
            lambda f: (f / "labels.csv").write_text("file,gender\nface0,1\nface0.png,1\n"),
            "names files twice: 1",
        ),
        (lambda f: (f / "labels.csv").write_text("file,gender\nface0,woman\n"), "line 2 gender=woman"),
        (lambda f: (f / "labels.csv").write_text("file,quality\nface0,1.5\n"), "line 2 quality=1.5"),
        (lambda f: (f / "labels.csv").write_text("file,split\nface0,tset\n"), "line 2 split=tset"),
        (
            lambda f: (f / "labels.csv").write_text("file,identity\nface0,4\n"),
            "identity for some photos only",
        ),
        (
            lambda f: (f / "labels.csv").write_text(f"file,identity\nface0,{2**63}\n"),
            f"line 2 identity={2**63}",
        ),
        (lambda f: (f / "labels.csv").write_bytes(b"\xff\xfe\x00"), r"labels\.csv cannot be read"),
    ],
)
def test_faults_of_a_folder_are_named(source, folder, spoil, told):
    spoil(folder)
    with pytest.raises(OhloraError, match=told):
        everything(source("folder", folder, resolution=SIZE))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: [p.unlink() for p in f.rglob("00007_*.png")], r"without any mask: 1 \(7\.jpg\)"),
        (
            lambda f: write(Image.new("L", (64, 64)), f / "CelebAMask-HQ-mask-anno/0/00000_tail.png"),
            "no known part",
        ),
        (lambda f: (f / "CelebA-HQ-img").rename(f / "images"), "has no CelebA-HQ-img"),
        (
            lambda f: write(Image.new("RGB", (128, 128)), f / "CelebA-HQ-img/me.jpg"),
            r"not named by a number: 1 \(me",
        ),
        (
            lambda f: (f / "CelebAMask-HQ-attribute-anno.txt").write_text("5\nMale\n0.jpg 1\n7.jpg 2\n"),
            "Male=2",
        ),
        (
            lambda f: (f / "CelebAMask-HQ-attribute-anno.txt").write_text("5\nMale\n0.jpg 1 1\n"),
            "damaged at 1 .line 3",
        ),
        (
            lambda f: (f / "CelebAMask-HQ-pose-anno.txt").write_text("5\nYaw\n0.jpg 1\n"),
            r"says nothing of 4 \(7\.jpg",
        ),
        (
            lambda f: (f / "CelebA-HQ-to-CelebA-mapping.txt").write_text("idx\n0 1\n"),
            r"mapping\.txt is damaged",
        ),
        (lambda f: (f / "identity_CelebA.txt").write_text("1.jpg\n"), r"identity_CelebA\.txt is damaged"),
        (
            lambda f: (f / "identity_CelebA.txt").write_text(f"1.jpg {2**63}\n"),
            r"identity_CelebA\.txt is damaged",
        ),
        (lambda f: (f / "CelebA-HQ-img/0.jpg").write_bytes(b"\xff\xd8"), r"as images: 1 \(0\.jpg\)"),
    ],
)
def test_faults_of_celebamask_are_named(source, celebamask, spoil, told):
    spoil(celebamask)
    with pytest.raises(OhloraError, match=told):
        everything(source("celebamask", celebamask))


def test_faults_of_ffhq_and_of_settings_are_named(source, ffhq, tmp_path_factory):
    (ffhq / "ffhq-dataset-v2.json").write_text('{"59998": {"category": "training"}}')
    with pytest.raises(OhloraError, match="no category training or validation for: 4"):
        everything(source("ffhq", ffhq))
    (ffhq / "ffhq-dataset-v2.json").write_text("{")
    with pytest.raises(OhloraError, match="is damaged"):
        everything(source("ffhq", ffhq))
    empty = tmp_path_factory.mktemp("empty")
    for layout, told in (
        ("folder", "no images in"),
        ("ffhq", "has neither"),
        ("celebamask", "has no CelebA-HQ-img"),
    ):
        with pytest.raises(OhloraError, match=told):
            everything(source(layout, empty))
    with pytest.raises(OhloraError, match="is not a folder"):
        everything(source("folder", empty / "nowhere"))
    with pytest.raises(OhloraError, match=r"dataset\.root=DIR is missing"):
        everything(source("folder", None))
    with pytest.raises(OhloraError, match="layout=fhq is not one of"):
        everything(source("folder", empty, "dataset.layout=fhq"))
    with pytest.raises(OhloraError) as caught:
        everything(source("folder", empty, resolution=7, limit=0, yaw_sign=2))
    for fault in ("resolution=7", "limit=0", "yaw_sign=2"):
        assert fault in str(caught.value)
    with pytest.raises(OhloraError, match="for model=face_"):
        source("folder", empty).load()


def test_parts_are_painted_over_one_another():
    def square(*edges: int) -> torch.Tensor:
        mask = torch.zeros(20, 20, dtype=torch.bool)
        mask[edges[0] : edges[1], edges[2] : edges[3]] = True
        return mask

    masks = {
        "cloth": square(16, 20, 0, 20),
        "hair": square(0, 4, 0, 20),
        "skin": square(2, 18, 4, 16),
        "eye_g": square(6, 10, 4, 16),
        "l_eye": square(7, 9, 11, 13),  # the person's left: on the right
        "r_eye": square(7, 9, 6, 8),
        "mouth": square(13, 14, 8, 12),
    }
    labels = painted(masks)
    assert labels[3, 10] == classes.HAIR
    assert labels[5, 10] == classes.SKIN
    assert labels[6, 10] == classes.BACKGROUND  # glasses
    assert labels[8, 7] == classes.LEFT_EYE
    assert labels[8, 12] == classes.RIGHT_EYE
    assert labels[13, 10] == classes.INNER_MOUTH
    assert labels[17, 10] == classes.BACKGROUND  # clothes over skin
    alone = painted({key: mask for key, mask in masks.items() if key != "l_eye"})
    assert alone[8, 7] == classes.LEFT_EYE
    assert torch.equal(sided(labels[None])[0], labels)


@pytest.mark.parametrize("order", ORDERS)
def test_a_parser_of_nineteen_classes_becomes_one_of_ours(five, order):
    """Logits of 19 classes drawn from our maps, sides the wrong way round, give our maps again."""
    names = ORDERS[order]
    assert sorted(names) == sorted(["background", *PARTS])
    chosen = {label: names.index(part) for part, label in PARTS.items() if label}
    chosen[0] = names.index("cloth")
    for left, right in ((classes.LEFT_EYE, classes.RIGHT_EYE), (classes.LEFT_BROW, classes.RIGHT_BROW)):
        chosen[left], chosen[right] = chosen[right], chosen[left]
    nineteen = torch.zeros(5, 19, SIZE, SIZE)
    for label, position in chosen.items():
        nineteen[:, position][five.label_maps == label] = 12.0
    assert torch.equal(to_eleven(nineteen, names).argmax(1).byte(), five.label_maps)
    probabilities = to_eleven(torch.randn(1, 19, 4, 4), names).softmax(1)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 4, 4))
    seen = []

    def network(images: torch.Tensor) -> tuple[torch.Tensor, str]:
        seen.append(images)
        return nineteen, "auxiliary"

    parser = CelebAMaskParser(network, order, size=128, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert torch.equal(photos.parsed(parser, five.images), five.label_maps)
    assert seen[0].shape == (5, 3, 128, 128)
    assert -1.01 < float(seen[0].min()) < float(seen[0].max()) < 1.01
    with pytest.raises(OhloraError, match="order=bise is not one of"):
        CelebAMaskParser(network, "bise")
    with pytest.raises(OhloraError, match="gave"):
        photos.parsed(CelebAMaskParser(lambda images: images, order), five.images)
    with pytest.raises(OhloraError, match="gave"):
        photos.parsed(lambda images: images, five.images)


@pytest.mark.parametrize("layout", ["folder", "ffhq", "celebamask"])
def test_the_photo_sheet_shows_each_layout(composed, request, tmp_path_factory, capsys, layout):
    root = request.getfixturevalue(layout)
    out = tmp_path_factory.mktemp("out")
    config = composed("photo_sheet", f"dataset=faces_{layout}", f"dataset.root={root}", "columns=2")
    config.job.output_dir = str(out)
    build(config.job).run()
    told = capsys.readouterr().out
    assert "5 photos: " in told
    assert ("r = " in told) == (layout == "celebamask")
    assert ("fails on photos" in told) == (layout == "ffhq")
    with Image.open(out / "photos.png") as sheet:
        assert sheet.size == (2 * (2 * SIZE + 6), 3 * (SIZE + 26))


def test_the_photo_sheet_names_wrong_settings(composed, folder):
    config = composed("photo_sheet", f"dataset.root={folder}", "columns=0", "zoom=99")
    with pytest.raises(OhloraError, match=r"columns=0 .*zoom=99"):
        build(config.job).run()
    config = composed("photo_sheet", "dataset=digits", "~dataset.limit")
    with pytest.raises(OhloraError, match=r"dataset: not one of faces_folder"):
        build(config.job).run()


class TestFilesAsPeopleKeepThem:
    """The kinds that other programs read wrong without a word; the reader is that of class folders."""

    def test_sixteen_bits_are_scaled_alike_over_the_set(self, source, tmp_path):
        root = tmp_path / "deep"
        for name, value in (("dark", 1000), ("bright", 65_000)):
            write(Image.fromarray(np.full((32, 32), value, dtype=np.uint16)), root / f"{name}.png")
        dark, bright = source("folder", root, resolution=16).pixels[::-1, 0, 0, 0].tolist()
        assert (dark, bright) == (4, 253)

    def test_transparency_is_laid_over_grey(self, source, tmp_path):
        drawing = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
        write(drawing, tmp_path / "clear" / "face.png")
        assert source("folder", tmp_path / "clear", resolution=16).pixels[0, 0, 0, 0] == 128

    def test_what_is_data_and_what_is_not(self, source, tmp_path, capfd):
        root, plain = tmp_path / "photos", Image.new("RGB", (32, 32), "white")
        for name in ("a.tif", "b.gif", "c.JPG", ".hidden/x.png", "__MACOSX/y.png", "._z.png"):
            write(plain, root / name)
        (root / "linked").symlink_to(write(plain, tmp_path / "elsewhere" / "d.png").parent)
        (root / "notes.docx").write_text("x")
        photos = source("folder", root, resolution=16).photos
        assert [photo.name for photo in photos] == ["a", "b", "c", "linked/d"]
        assert "left out" in (said := capfd.readouterr().err)
        assert ".docx 1" in said

    def test_a_tilde_is_the_home_folder(self, source, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        write(Image.new("RGB", (32, 32)), tmp_path / "mine" / "a.png")
        assert len(source("folder", "~/mine", resolution=16).photos) == 1
