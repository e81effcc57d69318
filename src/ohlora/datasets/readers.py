"""The datasets a config can name: the settings of each, and `load`, which reads it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol, runtime_checkable

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from ohlora.config import Name, config, deferred
from ohlora.errors import OhloraError

if TYPE_CHECKING:
    from ohlora.datasets.images import ImageData


# `dataset.root=2024` is a number for YAML, and a folder for whoever typed it.
FolderName = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class DatasetUnavailable(OhloraError):
    """Neither on disk nor to be downloaded now."""


@runtime_checkable
class DatasetReader(Protocol):
    """Anything that can hand over a whole dataset."""

    def load(self) -> ImageData: ...


@config
class TorchvisionGrey:
    """MNIST or Fashion-MNIST through torchvision's own files, 28 x 28 grey."""

    name: Literal["mnist", "fashion"]
    data_dir: Name
    offline: bool

    load = deferred("ohlora.datasets.standard", "load_grey")


@config
class Cifar10:
    """CIFAR-10, 32 x 32 colour: torchvision's original where it is, else the JPEG archives."""

    data_dir: Name
    cache_dir: Name
    offline: bool

    load = deferred("ohlora.datasets.standard", "load_cifar10")


@config
class Digits:
    """scikit-learn's bundled handwritten digits, 8 x 8 grey: needs no file and no network."""

    load = deferred("ohlora.datasets.standard", "load_digits")


@config
class Folder:
    """Any directory of class folders, `root/<class>/**/image`; or `root/train/...` and `root/test/...`."""

    root: FolderName | None
    image_size: Annotated[int, Ge(4), Le(1024)]

    load = deferred("ohlora.datasets.folder", "load_folder")


BUILDERS = Literal[
    "shapes", "textures", "sounds", "letters", "hangul", "speech", "emoji", "icons", "signs", "alphabets"
]


@config
class Built:
    """A dataset that this machine builds once: drawn, said, or read from a package (`datasets/builders`)."""

    name: BUILDERS
    data_dir: Name
    cache_dir: Name

    load = deferred("ohlora.datasets.builders.build", "load_built")
