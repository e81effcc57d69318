"""Hardware: what may be asked for, which device and which arithmetic `auto` takes."""

from __future__ import annotations

import pytest
import torch

from ohlora import precision
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def asked_anew():
    precision.cpu_has_bf16.cache_clear()
    yield
    precision.cpu_has_bf16.cache_clear()


@pytest.fixture
def flags(monkeypatch):
    """`flags("avx512f")`: a processor with these flags; `flags(None)`: one that Linux tells nothing of."""

    def set_to(words: str | None) -> None:
        known = None if words is None else set(words.split())
        monkeypatch.setattr(precision, "processor_flags", lambda: known)

    return set_to


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("avx2 fma", "32"),
        ("avx512f avx512bw avx512_vnni", "32"),  # oneDNN emulates bf16 here
        ("avx512f avx512_bf16", "bf16"),
        ("amx_tile amx_bf16 avx512f", "bf16"),
    ],
)
def test_auto_takes_bf16_where_the_processor_has_it(flags, words, expected):
    flags(words)
    assert Hardware("cpu", "auto", None).resolve() == (CPU, expected)


@pytest.mark.parametrize(("speed", "expected"), [(0.2, "32"), (1.0, "32"), (1.9, "bf16")])
def test_where_flags_are_not_told_a_convolution_is_timed(flags, monkeypatch, speed, expected):
    flags(None)
    monkeypatch.setattr(precision, "bf16_speed", lambda: speed)
    assert Hardware("cpu", "auto", None).resolve() == (CPU, expected)


def test_without_onednn_nothing_breaks_and_fp32_is_taken(flags, monkeypatch):
    class Nothing:
        def __getattr__(self, name):
            raise AttributeError(name)

    monkeypatch.setattr(torch.ops, "mkldnn", Nothing(), raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    flags("avx512f avx512_bf16")
    assert Hardware("cpu", "auto", None).resolve() == (CPU, "32")
    flags(None)
    precision.cpu_has_bf16.cache_clear()
    assert Hardware("cpu", "auto", None).resolve()[1] in ("32", "bf16")


def test_a_convolution_is_timed_in_both():
    assert precision.bf16_speed() > 0


def test_flags_are_read_from_what_linux_tells(tmp_path):
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\nbugs\t\t:\n")
    assert precision.processor_flags(told) == {"fpu", "avx512_bf16"}
    told.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")  # ARM
    assert precision.processor_flags(told) is None
    assert precision.processor_flags(tmp_path / "none") is None


def test_auto_takes_a_card_then_mps_then_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert precision.best_device() == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert precision.best_device() == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert precision.best_device() == "cpu"


@pytest.mark.parametrize("asked", ["32", "bf16", 32])
def test_an_explicit_precision_holds(flags, asked):
    flags("avx2")
    assert Hardware("cpu", asked, None).resolve() == (CPU, str(asked))


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "tpu7"},
        {"device": "meta"},
        {"device": 3.5},
        {"device": None},
        {"precision": "16"},
        {"precision": 16},
        {"precision": True},
        {"threads": 0},
        {"threads": -1},
        {"threads": "2"},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(OhloraError, match=f"{name}="):
        Hardware(**{"device": "cpu", "precision": "32", "threads": None, **wrong})


def test_a_card_that_is_not_there_is_refused():
    with pytest.raises(OhloraError, match=r"hardware\.device=cuda:99 cannot be used here"):
        Hardware("cuda:99", "32", None).resolve()
