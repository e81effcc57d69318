"""The folder for the OptunaHub registry: what its checks ask of a package, and that it loads."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ohlora.predictor.sampler import OhLoRASampler

REGISTRY = Path(__file__).resolve().parents[2] / "docs" / "optunahub-registry" / "package"
FOLDER = REGISTRY / "samplers" / "ohlora"


def loaded_local_module(package: str, registry_root: Path) -> ModuleType:
    """`optunahub.load_local_module`; where it is not installed, what it does."""
    try:
        import optunahub
    except ImportError:
        name = f"optunahub_registry.package.{package.replace('/', '.')}"
        spec = importlib.util.spec_from_file_location(name, registry_root / package / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return optunahub.load_local_module(package, registry_root=str(registry_root))


def test_it_loads_and_is_the_package_s_own():
    module = loaded_local_module("samplers/ohlora", REGISTRY)
    assert module.OhLoRASampler is OhLoRASampler
    assert module.__all__ == ["OhLoRASampler"]


def test_front_matter_is_what_the_registry_wants():
    """As its header_confirm.py asks: all strings, the tag of the category, the MIT License."""
    _, head, body = (FOLDER / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    said = yaml.safe_load(head)
    assert {name: type(value) for name, value in said.items()} == {
        "author": str,
        "title": str,
        "description": str,
        "tags": list,
        "optuna_versions": list,
        "license": str,
    }
    assert all(isinstance(one, str) for one in [*said["tags"], *said["optuna_versions"]])
    assert "sampler" in said["tags"]
    assert said["license"] == "MIT License"
    for section in ("## Abstract", "## APIs", "## Installation", "## Example"):
        assert f"\n{section}\n" in body
    assert "fill in" not in body


def test_it_is_thin_text():
    files = {
        path.name: path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert set(files) == {"LICENSE", "README.md", "__init__.py", "example.py", "requirements.txt"}
    assert all("\0" not in path.read_text(encoding="utf-8") for path in files.values())
    assert sum(path.stat().st_size for path in files.values()) < 10_000
    assert "<COPYRIGHT HOLDER>" not in files["LICENSE"].read_text(encoding="utf-8")


def test_the_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], predictor, space
):
    """With a predictor made in a test in the place of a look at a folder of images."""
    hub = ModuleType("optunahub")
    hub.load_module = lambda package: loaded_local_module(package, REGISTRY)  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "optunahub", hub)
        spec = importlib.util.spec_from_file_location("example", FOLDER / "example.py")
        assert spec is not None
        assert spec.loader is not None
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
    patched = type(
        "Advice", (), {"predictor": predictor, "space": space, "features": {"ease": 0.5, "noise": 0.5}}
    )
    monkeypatch.setattr(example, "advise", lambda folder: patched())
    monkeypatch.setattr(
        example.optunahub, "load_module", lambda package: loaded_local_module(package, REGISTRY)
    )
    example.main("my_images")
    value, *_ = capsys.readouterr().out.split()
    assert float(value) > 0.85
