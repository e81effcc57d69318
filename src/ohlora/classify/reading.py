"""The images that a user's classifier learns from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ohlora.datasets.families import WholeDataset
from ohlora.datasets.folder import FolderData, load_folder
from ohlora.datasets.readers import Folder
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.text import printable

# What Hydra and the door leave in a run's folder before its job runs.
STARTED = (".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", ".run.lock")


def read_folder(images: Folder, output_dir: Path) -> FolderData:
    """Every image of a folder; OhloraError for one that is none or from which nothing can be learned."""
    root = Path(images.root or "").expanduser()
    keep_apart(root, output_dir)
    return load_folder(images)


def keep_apart(root: Path, output_dir: Path) -> None:
    """Raise OhloraError where the run's folder lies among the images like a class, or is theirs.

    What the run has put there so far goes, and its folder where nothing else is in it.
    """
    root, out = root.resolve(), output_dir.resolve()
    if not out.is_relative_to(root):
        return
    for name in STARTED:
        with suppress(OSError):
            (out / name).unlink()
    for folder in (out / ".hydra", out, *out.parents):
        if folder == root:
            break
        with suppress(OSError):  # what else is there stays
            folder.rmdir()
    raise OhloraError(
        f"the run's folder, {printable(output_dir)}, would lie among the images: start it elsewhere, or give"
        " it another folder, paths.output_dir=DIR"
    )


def whole_subset(
    family: WholeDataset, data: FolderData, images: Folder, seed: int, cache_dir: Path
) -> Subset:
    """All images, a share of them set aside to validate, under the folder's own name."""
    name = Path(images.root or "").expanduser().resolve().name
    return replace(family.draw(data, seed, cache_dir), title=name)


def test_files(data: FolderData) -> list[Path]:
    """The files of `whole_subset`'s test images, in its order: by class."""
    order = data.test.labels.argsort(stable=True).tolist()
    return [data.test_files[row] for row in order]
