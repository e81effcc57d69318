"""What every test may ask for: configs as the doors compose them, small data, the doors themselves."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from hydra import compose, initialize_config_dir
from hypothesis import settings
from omegaconf import DictConfig
from tests import fork_server
from threadpoolctl import threadpool_limits

import ohlora.door  # noqa: F401  registers the config's resolvers
from ohlora.build import build
from ohlora.datasets.families import SubsetFamily
from ohlora.datasets.images import ImageData, Split
from ohlora.datasets.readers import Digits
from ohlora.datasets.subset import Subset
from ohlora.hardware import Hardware
from ohlora.space import Params, Space
from ohlora.trials.protocol import Protocol

ROOT = Path(__file__).resolve().parents[1]
COMMAND_S = 600  # most a command may take: two processes on a busy machine took 280

# A shell's background job ignores Ctrl-C, one under nohup a closed terminal, and so would every command that
# the tests start and interrupt.
for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, name), handler)

# Importing leaves no garbage, and what was imported stays: collections need not look through it.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    # On nets and matrices this small more threads only wait for each other.
    threadpool_limits(1)


# Two busy cores make any deadline a coin toss; the same examples every run make a red run repeatable.
settings.register_profile("ohlora", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("ohlora")


@pytest.fixture(scope="session", autouse=True)
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches and settings of the machine's user neither help nor suffer."""
    world = tmp_path_factory.mktemp("world")
    patch = pytest.MonkeyPatch()
    patch.setenv("OMP_NUM_THREADS", "1")  # of the processes that tests start
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("HF_HOME", str(world / "huggingface"))
    patch.setenv("OHLORA_CACHE", str(world / "cache"))
    patch.setenv("OHLORA_MEMORY", str(world / "memory.sqlite"))
    patch.setenv("MPLCONFIGDIR", str(world / "matplotlib"))
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        patch.setenv(name, str(world / "wandb"))
    (world / "wandb").mkdir()
    patch.setenv("NETRC", str(world / "netrc"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "OHLORA_SWEEP", "OHLORA_ANSWER", "COLUMNS"):
        patch.delenv(name, raising=False)
    yield world
    patch.undo()


@pytest.fixture(scope="session")
def cache_dir(own_world: Path) -> Path:
    return own_world / "cache"


@pytest.fixture(scope="session")
def lasting_cache(pytestconfig: pytest.Config) -> Path:
    """Kept from run to run: for what takes long to make and never changes, such as decoded JPEGs."""
    return pytestconfig.cache.mkdir("ohlora")  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`made_once("name", make)`: a folder that `make(folder)` has filled, in one of the workers for all."""
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent

    def filled(name: str, make: Callable[[Path], object]) -> Path:
        folder, making = root / name, root / f"{name}.making"
        with FileLock(root / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(making, ignore_errors=True)  # another worker has failed at it
                making.mkdir()
                make(making)
                making.rename(folder)
        return folder

    return filled


@pytest.fixture(scope="session")
def real_data() -> str:
    """The folder with MNIST, Fashion-MNIST and CIFAR-10 (JPEG)."""
    folder = os.environ.get("OHLORA_DATA")
    if not folder or not (Path(folder) / "MNIST").is_dir():
        pytest.skip("needs OHLORA_DATA, a folder with MNIST, FashionMNIST and CIFAR10-JPEG")
    return folder


@pytest.fixture(scope="session")
def composed(own_world: Path) -> Callable[..., DictConfig]:
    """`composed("train", "dataset=digits")`: the config a door would see."""

    @cache
    def once(name: str, overrides: tuple[str, ...]) -> DictConfig:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return compose(name, [f"paths.run_dir={own_world / 'run'}", *overrides])

    return lambda name, *overrides: deepcopy(once(name, overrides))  # a tenth of the time of composing it


@pytest.fixture(scope="session")
def built(composed: Callable[..., DictConfig]) -> Callable[..., Any]:
    """`built("space", "space=classic")`: one part of the train config as the object the code uses."""

    def made(part: str, *overrides: str) -> Any:
        return build(composed("train", *overrides)[part])

    return made


@pytest.fixture(scope="session")
def space(built: Callable[..., Any]) -> Space:
    return built("space")


@pytest.fixture(scope="session")
def classic_space(built: Callable[..., Any]) -> Space:
    return built("space", "space=classic")


@pytest.fixture(scope="session")
def varied(built: Callable[..., Any]) -> SubsetFamily:
    return built("subset").pop("family")


@pytest.fixture(scope="session")
def classic(built: Callable[..., Any]) -> SubsetFamily:
    return built("subset", "subset=classic").pop("family")


@pytest.fixture(scope="session")
def smoke(built: Callable[..., Any]) -> Protocol:
    """The protocol of size=smoke: 8 steps, 2 validations."""
    return built("protocol", "size=smoke")


@pytest.fixture(scope="session")
def cpu() -> Hardware:
    return Hardware(device="cpu", precision="32", threads=1)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return Digits().load()


@pytest.fixture(scope="session")
def digits_subset(digits: ImageData, varied: SubsetFamily, cache_dir: Path) -> Subset:
    return varied.draw(digits, 3, cache_dir)


@pytest.fixture(scope="session")
def good_params(space: Space) -> Params:
    """Hyperparameters under which a digits subset is learned."""
    return space.check(
        {
            "dropout_conv_early": 0.05,
            "dropout_conv_late": 0.05,
            "dropout_fc": 0.1,
            "learning_rate": 3e-3,
            "activation": "relu",
            "optimizer": "adam",
            "scheduler": "cosine",
            "weight_decay": 1e-3,
            "batch_size": 32,
            "label_smoothing": 0.02,
            "augmentation": "shift",
        }
    )


class SealedSplit(Split):
    """A test split nobody may look at: it can be counted, and its images raise."""

    def __getattribute__(self, name: str) -> Any:
        if name == "images":
            raise AssertionError("the test images were touched")
        return super().__getattribute__(name)


@pytest.fixture(scope="session")
def sealed_subset(digits_subset: Subset) -> Subset:
    """A subset whose test images raise when anything looks at them."""
    test = digits_subset.test
    return replace(digits_subset, test=SealedSplit(test.images, test.labels))


def striped(channels: int, size: tuple[int, int], n: int, classes: int = 3) -> Split:
    """Images whose stripes run as their class says."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    stripes = torch.stack([((rows * k + columns * (classes - k)) % 4 < 2) * 160 for k in range(classes)])
    noise = torch.randint(0, 80, (n, channels, *size), generator=generator)
    return Split((stripes[labels][:, None] + noise).to(torch.uint8), labels)


@pytest.fixture(scope="session")
def stripes() -> Callable[..., ImageData]:
    """`stripes(channels=3, size=(12, 9))`: a generated dataset of three classes."""

    def build(channels: int = 1, size: tuple[int, int] = (8, 8), n: int = 240) -> ImageData:
        train, test = striped(channels, size, n), striped(channels, size, n // 2)
        return ImageData(f"stripes{channels}", "stripes", ("a", "b", "c"), train, test)

    return build


@pytest.fixture(scope="session")
def python(own_world: Path, testrun_uid: str) -> Iterator[str]:
    """What to start in place of `sys.executable`: where there are forks, one that has torch imported already.

    Not for tests of what is imported, or of variables that are read when it is (tests/fork_server.py).
    """
    if not hasattr(os, "fork"):
        yield sys.executable
        return
    folder = Path(tempfile.gettempdir()) / f"ohlora-{testrun_uid[:12]}"  # a socket's path must be short
    with fork_server.join(folder):
        yield str(folder / "python")


@pytest.fixture(scope="session")
def door(python: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`door("train.py", "dataset=digits", cwd=tmp_path)`: the real program in a process of its own.

    Another word is a verb: `python -m ohlora say`.
    """

    def run(
        program: str, *arguments: str, cwd: Path, typed: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        start = [str(ROOT / program)] if program.endswith(".py") else ["-m", "ohlora", program]
        return subprocess.run(
            [python, *start, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            input=typed,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )

    return run
