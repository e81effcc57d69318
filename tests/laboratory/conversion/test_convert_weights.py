"""Taking over weights: every published form arrives whole, and no stranger's code runs on the way."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.trained.stylegan.layers import Plan
from ohlora.face.trained.stylegan.pretrained import load_generator
from ohlora.face.trained.stylegan.stylegan1 import StyleGAN1
from ohlora.face.trained.stylegan.stylegan2 import Plan2, StyleGAN2

PLAN1 = Plan(12, 0, 0, (16, 10), (8, 6, 5, 4))
PLAN2 = Plan2(12, 0, 0, (16, 10), (8, 6, 5, 4), conv_clamp=None)  # 32 px


def randomised(network: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(3)
    for name, tensor in network.state_dict().items():
        if not name.endswith(("resample_filter", "blur.kernel", "lod")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def stylegan2() -> StyleGAN2:
    return randomised(StyleGAN2(PLAN2))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def stylegan1() -> StyleGAN1:
    return randomised(StyleGAN1(PLAN1))  # type: ignore[return-value]


@pytest.fixture
def convert(composed, tmp_path):
    def run(source: Path, *settings: str, out: str = "face.safetensors") -> Path:
        config = composed("convert_weights", f"source={source}", f"out={tmp_path / out}", *settings)
        build(config.job).run()
        return tmp_path / out

    return run


@pytest.fixture
def official(monkeypatch):
    """What the official training code's own modules are to a pickle: names."""
    persistence, util = types.ModuleType("torch_utils.persistence"), types.ModuleType("dnnlib.util")

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("the official way executes the source in the file")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj
    util.EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    for name, module in {
        "torch_utils": types.ModuleType("torch_utils"),
        "torch_utils.persistence": persistence,
        "dnnlib": types.ModuleType("dnnlib"),
        "dnnlib.util": util,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)

    class Persistent:
        """Pickles as a class decorated with `persistent_class` does."""

        def __init__(self, module: torch.nn.Module, source: str, **settings) -> None:
            self.state = {
                "training": False,
                "_parameters": OrderedDict(module._parameters),
                "_buffers": OrderedDict(module._buffers),
                "_modules": OrderedDict(
                    (name, Persistent(part, source)) for name, part in module._modules.items()
                ),
                "_non_persistent_buffers_set": set(),
                "weight_gain": np.float64(0.1),
                "_init_kwargs": util.EasyDict(z_dim=12, some=np.arange(3)),
                **settings,
            }
            self.source = source

        def __reduce__(self):
            meta = {
                "type": "class",
                "version": 6,
                "module_src": self.source,
                "class_name": "Generator",
                "state": self.state,
            }
            return _reconstruct_persistent_obj, (meta,), None

    def snapshot(module: torch.nn.Module, source: str = "", **settings) -> dict:
        network = Persistent(module, source, **settings)
        return {"training_set_kwargs": util.EasyDict(path="x.zip"), "D": None, "G_ema": network}

    return snapshot


def same(path: Path, network: StyleGAN1 | StyleGAN2) -> None:
    """The converted generator has every tensor and draws the same picture."""
    generator = load_generator(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(generator.network.state_dict()[name], tensor), name
    z = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    w = network.mapping(z, torch.empty(2, 0))
    assert torch.equal(generator.mapping(z, torch.empty(2, 0)), w)
    expected = network.synthesis(w[:, None].expand(-1, network.plan.layers, -1))
    torch.testing.assert_close(generator.synthesis(w), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_an_official_pickle_arrives_whole_and_runs_nothing(convert, official, stylegan2, tmp_path, protocol):
    ran = tmp_path / "ran"
    source = tmp_path / "ffhq.pkl"
    code = f"open({str(ran)!r}, 'w').write('the file was in charge')"
    source.write_bytes(pickle.dumps(official(stylegan2, code), protocol=protocol))
    same(convert(source, "trust=true"), stylegan2)
    assert not ran.exists()
    card = json.loads((tmp_path / "face.json").read_text())
    assert (card["kind"], card["resolution"], card["latent_dim"], card["w_dim"]) == ("stylegan2", 32, 12, 10)
    assert card["source"]["part"] == "G_ema"
    assert card["source"]["file"] == "ffhq.pkl"
    assert len(card["source"]["sha256"]) == 64


def test_an_official_clamp_is_kept(convert, official, tmp_path):
    network = randomised(StyleGAN2(Plan2(12, 0, 0, (16, 10), (8, 6), conv_clamp=1.5)))
    snapshot = official(network)
    for part in snapshot["G_ema"].state["_modules"]["synthesis"].state["_modules"].values():
        for layer in part.state["_modules"].values():
            layer.state["conv_clamp"] = 1.5
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(snapshot))
    same(convert(tmp_path / "a.pkl", "trust=true"), network)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"architecture": "resnet"}, "architecture=resnet"),
        ({"conv_clamp": 3, "activation": "relu"}, "activation=relu"),
    ],
)
def test_an_official_network_of_another_design_is_refused(
    convert, official, stylegan2, tmp_path, settings, told
):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(official(stylegan2, **settings)))
    with pytest.raises(OhloraError, match=told):
        convert(tmp_path / "a.pkl", "trust=true")


class Calls:
    """Unpickled the usual way, calls `function`."""

    def __init__(self, function, *given) -> None:
        self.call = function, given

    def __reduce__(self):
        return self.call


def hidden_in_a_storage(ran: Path) -> bytes:
    """A storage whose bytes are a torch file that runs a command."""
    inner = io.BytesIO()
    torch.save(Calls(os.mkdir, str(ran)), inner, _use_new_zipfile_serialization=False)
    return inner.getvalue()


@pytest.mark.parametrize(
    "bad",
    [
        lambda ran: Calls(os.mkdir, str(ran)),
        lambda ran: {"G_ema": Calls(eval, f"__import__('os').mkdir({str(ran)!r})")},
        lambda ran: {"G_ema": Calls(getattr, OrderedDict, "popitem")},
        lambda ran: {"G_ema": Calls(torch.storage._load_from_bytes, hidden_in_a_storage(ran))},
        lambda ran: {"G_ema": Calls(torch.load, str(ran))},
        lambda ran: {"G_ema": Calls(__import__, "os")},
    ],
    ids=["mkdir", "eval", "getattr", "inside a storage", "torch.load", "import"],
)
def test_a_hostile_pickle_is_refused_and_does_not_run(convert, tmp_path, bad):
    ran = tmp_path / "ran"
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(bad(ran)))
    with pytest.raises(OhloraError, match=r"refused: it names|damaged or no pickle"):
        convert(tmp_path / "evil.pkl", "trust=true")
    assert not ran.exists()
    assert not (tmp_path / "face.safetensors").exists()
    torch.save({"generator": bad(ran)}, tmp_path / "evil.pth")
    with pytest.raises(OhloraError, match="holds more than tensors"):
        convert(tmp_path / "evil.pth", "trust=true")
    assert not ran.exists()


def test_a_tensor_cannot_reach_outside_its_storage(convert, official, stylegan2, tmp_path):
    inside = torch.storage.TypedStorage(
        wrap_storage=torch.zeros(4).untyped_storage(), dtype=torch.float, _internal=True
    )

    class Large:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (inside, 0, (1 << 20,), (1,), False, OrderedDict())

    snapshot = official(stylegan2)
    snapshot["G_ema"].state["_parameters"]["x"] = Large()
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(snapshot))
    with pytest.raises(OhloraError, match="damaged"):
        convert(tmp_path / "a.pkl", "trust=true")


@pytest.mark.parametrize("inside", [lambda network: network, lambda network: 7], ids=["itself", "a number"])
def test_a_network_whose_parts_are_none_is_damaged(convert, official, stylegan2, tmp_path, inside):
    network = official(stylegan2)["G_ema"]
    parts = network.state["_modules"]
    parts["mapping"] = inside(network)
    if inside(network) == 7:
        network.state["_parameters"] = 7
    # The parts before the network: a pickle that comes back to them while it makes the network is finite.
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"parts": parts, "G_ema": network}))
    with pytest.raises(OhloraError, match=r"is damaged or no pickle of a StyleGAN2-ADA network"):
        convert(tmp_path / "a.pkl", "trust=true")


def test_a_pickle_needs_trust(convert, official, stylegan2, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(official(stylegan2)))
    with pytest.raises(OhloraError, match="trust=true"):
        convert(tmp_path / "a.pkl")
    with pytest.raises(OhloraError, match="trust=yess"):
        convert(tmp_path / "a.pkl", "trust=yess")


def test_genforce_files(convert, stylegan1, tmp_path):
    other = StyleGAN1(PLAN1).state_dict()
    torch.save({"generator": other, "generator_smooth": stylegan1.state_dict()}, tmp_path / "celeba.pth")
    same(convert(tmp_path / "celeba.pth"), stylegan1)
    assert json.loads((tmp_path / "face.json").read_text())["source"]["part"] == "generator_smooth"
    torch.save(stylegan1.state_dict(), tmp_path / "bare.pth", _use_new_zipfile_serialization=False)
    same(convert(tmp_path / "bare.pth"), stylegan1)
    save_file(stylegan1.state_dict(), tmp_path / "bare.safetensors")
    same(convert(tmp_path / "bare.safetensors"), stylegan1)


def rosinality(network: StyleGAN2) -> dict[str, torch.Tensor]:
    """The same network in rosinality's names and shapes."""
    ours, renamed = network.state_dict(), {}
    layers = {"conv1": "synthesis.b4.conv1", "to_rgb1": "synthesis.b4.torgb"}
    noises = ["synthesis.b4.conv1"]
    for block, size in enumerate(network.synthesis.sizes[1:]):
        for half in (0, 1):
            layers[f"convs.{2 * block + half}"] = f"synthesis.b{size}.conv{half}"
            noises.append(f"synthesis.b{size}.conv{half}")
        layers[f"to_rgbs.{block}"] = f"synthesis.b{size}.torgb"
    for index in range(len(network.plan.mapping)):
        for kind in ("weight", "bias"):
            renamed[f"style.{index + 1}.{kind}"] = ours[f"mapping.fc{index}.{kind}"]
    renamed["input.input"] = ours["synthesis.b4.const"][None]
    kernel = ours["synthesis.b4.resample_filter"] * 4
    for theirs, name in layers.items():
        renamed[f"{theirs}.conv.weight"] = ours[f"{name}.weight"][None]
        renamed[f"{theirs}.conv.modulation.weight"] = ours[f"{name}.affine.weight"]
        renamed[f"{theirs}.conv.modulation.bias"] = ours[f"{name}.affine.bias"]
        if "torgb" in name:
            renamed[f"{theirs}.bias"] = ours[f"{name}.bias"].view(1, 3, 1, 1)
        else:
            renamed[f"{theirs}.activate.bias"] = ours[f"{name}.bias"]
            renamed[f"{theirs}.noise.weight"] = ours[f"{name}.noise_strength"].view(1)
        if theirs.startswith("convs") and int(theirs[6:]) % 2 == 0:
            renamed[f"{theirs}.conv.blur.kernel"] = kernel
        if theirs.startswith("to_rgbs"):
            renamed[f"{theirs}.upsample.kernel"] = kernel
    for index, name in enumerate(noises):
        renamed[f"noises.noise_{index}"] = ours[f"{name}.noise_const"][None, None]
    return renamed


def test_rosinality_files(convert, stylegan2, tmp_path):
    whole = {
        "g_ema": rosinality(stylegan2),
        "latent_avg": stylegan2.w_mean,
        "args": argparse.Namespace(size=32),
    }
    torch.save(whole, tmp_path / "a.pt")
    same(convert(tmp_path / "a.pt"), stylegan2)
    del whole["latent_avg"]
    torch.save(whole, tmp_path / "b.pt")
    generator = load_generator(convert(tmp_path / "b.pt"))
    w = stylegan2.mapping(torch.randn(20_000, 12), torch.empty(20_000, 0))
    torch.testing.assert_close(generator.w_mean, w.mean(0), atol=0.1, rtol=0.1)
    assert "10,000" in generator.card["w_mean"]
    whole["g_ema"]["convs.0.conv.blur.kernel"] = torch.rand(4, 4)
    torch.save(whole, tmp_path / "c.pt")
    with pytest.raises(OhloraError, match="filter 1 3 3 1"):
        convert(tmp_path / "c.pt")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop("synthesis.b8.conv0.weight"), r"1 missing: synthesis\.b8\.conv0\.weight"),
        (lambda t: t.update(extra=torch.ones(1)), "1 unexpected: extra"),
        (
            lambda t: t.update({"synthesis.b8.torgb.bias": torch.ones(4)}),
            r"1 of another shape: synthesis\.b8\.torgb\.bias \[4\] instead of \[3\]",
        ),
        (
            lambda t: [t.pop(name) for name in list(t) if ".b32." in name and "torgb" not in name],
            "cannot be told",
        ),
        (lambda t: [t.pop(name) for name in list(t) if ".b16." in name], "gaps between"),
        (lambda t: t["mapping.fc0.bias"].fill_(float("nan")), r"not finite: mapping\.fc0\.bias"),
        (lambda t: [t.pop(name) for name in list(t) if "mapping" in name], "cannot be told"),
    ],
)
def test_no_tensor_is_skipped_in_silence(convert, stylegan2, tmp_path, change, told):
    tensors = {name: tensor.clone() for name, tensor in stylegan2.state_dict().items()}
    change(tensors)
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(OhloraError, match=told):
        convert(tmp_path / "a.pth")
    assert not (tmp_path / "face.safetensors").exists()


def test_other_files_are_told_apart(convert, stylegan1, tmp_path):
    torch.save({"layer4.weight": torch.ones(2)}, tmp_path / "resnet.pth")
    with pytest.raises(OhloraError, match=r"no generator that is known: layer4\.weight"):
        convert(tmp_path / "resnet.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(OhloraError, match="has no generator: epoch"):
        convert(tmp_path / "empty.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(OhloraError, match="holds a list"):
        convert(tmp_path / "list.pth")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(OhloraError, match="holds a list"):
        convert(tmp_path / "list.pkl", "trust=true")
    half = {**stylegan1.state_dict(), "synthesis.lod": torch.tensor(2.0)}
    torch.save(half, tmp_path / "half.pth")
    with pytest.raises(OhloraError, match="lod=2"):
        convert(tmp_path / "half.pth")


@pytest.mark.parametrize("name", ["a.pkl", "a.pth", "a.pt", "a.safetensors"])
def test_a_truncated_file_is_one_message(convert, official, stylegan2, tmp_path, name):
    whole = io.BytesIO()
    if name == "a.pkl":
        pickle.dump(official(stylegan2), whole)
    elif name == "a.safetensors":
        save_file(stylegan2.state_dict(), tmp_path / "whole")
        whole.write((tmp_path / "whole").read_bytes())
    else:
        torch.save(stylegan2.state_dict(), whole)
    content = whole.getvalue()
    for length in (0, 1, 40, len(content) // 2, len(content) - 1):
        (tmp_path / name).write_bytes(content[:length])
        with pytest.raises(OhloraError, match="damaged"):
            convert(tmp_path / name, "trust=true")


def test_only_the_converters_own_files_load(convert, stylegan2, tmp_path):
    torch.save(stylegan2.state_dict(), tmp_path / "a.pth")
    path = convert(tmp_path / "a.pth")
    card = tmp_path / "face.json"
    content = card.read_text()
    for old, new, told in (
        ('"kind": "stylegan2"', '"kind": "stylegan3"', "kind=stylegan3"),
        ('"kind": "stylegan2"', '"kind": "stylegan1"', "cannot be told"),
        ('"resolution": 32', '"resolution": 64', "says 64 px, the weights are for 32"),
    ):
        card.write_text(content.replace(old, new))
        with pytest.raises(OhloraError, match=told):
            load_generator(path)
    card.write_text("{")
    with pytest.raises(OhloraError, match="damaged"):
        load_generator(path)
    card.unlink()
    with pytest.raises(OhloraError, match="missing"):
        load_generator(path)


def test_every_wrong_setting_at_once(composed):
    with pytest.raises(OhloraError) as caught:
        build(composed("convert_weights", "out=face.pth", "trust=yess").job)
    for fault in (
        "source=null: no file",
        "out=face.pth: not the name of a .safetensors file",
        "trust=yess",
    ):
        assert fault in str(caught.value)


@pytest.mark.slow
def test_a_hostile_file_ends_the_command_in_one_line(door, own_world, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Calls(os.mkdir, str(tmp_path / "ran"))))
    files = [f"source={tmp_path / 'a.pkl'}", f"out={tmp_path / 'a.safetensors'}"]
    done = door("convert-weights", "trust=true", *files, cwd=own_world)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "posix.mkdir" in done.stderr or "nt.mkdir" in done.stderr
    assert "pickle" in done.stdout
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("source", ["nothing.pth", "notes.txt"])
def test_a_source_that_is_none(convert, tmp_path, source):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(OhloraError, match=r"is not a file|is not one of \.safetensors"):
        convert(tmp_path / source)
