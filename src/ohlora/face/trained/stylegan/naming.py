"""Which network a file's tensors belong to, and their names in ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ohlora.errors import OhloraError
from ohlora.face.trained.stylegan.layers import Plan
from ohlora.face.trained.stylegan.stylegan1 import StyleGAN1
from ohlora.face.trained.stylegan.stylegan2 import Plan2, StyleGAN2

KINDS = ("stylegan1", "stylegan2")
SHOWN = 8  # names of tensors in a message
Tensors = Mapping[str, Tensor]
Network = StyleGAN1 | StyleGAN2

# How rosinality's StyleGAN2 calls things, as far as layers do not need counting.
ROSINALITY = (
    (r"style\.(\d+)\.(weight|bias)", lambda m: f"mapping.fc{int(m[1]) - 1}.{m[2]}"),
    (r"latent_avg", lambda m: "mapping.w_avg"),
    (r"input\.input", lambda m: "synthesis.b4.const"),
    (r"conv1\.(.+)", lambda m: styled("synthesis.b4.conv1", m[1])),
    (r"convs\.(\d+)\.(.+)", lambda m: styled(f"synthesis.b{8 << int(m[1]) // 2}.conv{int(m[1]) % 2}", m[2])),
    (r"to_rgb1\.(.+)", lambda m: styled("synthesis.b4.torgb", m[1])),
    (r"to_rgbs\.(\d+)\.(.+)", lambda m: styled(f"synthesis.b{8 << int(m[1])}.torgb", m[2])),
    (
        r"noises\.noise_(\d+)",
        lambda m: f"synthesis.b{4 << (int(m[1]) + 1) // 2}.conv{(int(m[1]) + 1) % 2}.noise_const",
    ),
)
INSIDE = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def styled(layer: str, name: str) -> str:
    """The name of a styled layer's tensor; a filter is marked, to be checked and left out."""
    return "filter" if name.endswith(".kernel") else f"{layer}.{INSIDE.get(name, name)}"


def listed(names: Sequence[str]) -> str:
    """Some names and how many there are."""
    return f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"


def in_our_names(tensors: Tensors) -> tuple[str, str, dict[str, Tensor]]:
    """Kind of the network, what the names are called, and the tensors under the names of our networks."""
    names = set(tensors)
    if any(name.startswith("synthesis.b4.") for name in names):
        return "stylegan2", "official", dict(tensors)
    if "synthesis.layer0.const" in names or "synthesis.layer0.apply_noise.weight" in names:
        return "stylegan1", "genforce", dict(tensors)
    if any(name.startswith(("convs.", "to_rgb1.")) for name in names):
        return "stylegan2", "rosinality", from_rosinality(tensors)
    raise OhloraError(
        f"no generator that is known: {listed(sorted(names))} (known:"
        " StyleGAN 1 in GenForce's naming, StyleGAN2 and 2-ADA in the official PyTorch one or rosinality's)"
    )


def from_rosinality(tensors: Tensors) -> dict[str, Tensor]:
    """Official names and shapes. Blur kernels are the fixed filter times 1 or 4; others are refused."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = name
        for pattern, rule in ROSINALITY:
            if match := re.fullmatch(pattern, name):
                new = rule(match)
        if new == "filter":
            if tensor.shape != (4, 4) or not torch.allclose(
                tensor / tensor.sum(), torch.outer(line, line), atol=1e-5
            ):
                raise OhloraError(
                    f"{name} is not the filter 1 3 3 1, the only one that is known in this naming"
                )
        else:
            renamed[new] = tensor
    for name, tensor in renamed.items():
        if name.endswith((".const", "conv0.weight", "conv1.weight", "torgb.weight")):
            renamed[name] = tensor[0]
        elif name.endswith("noise_strength"):
            renamed[name] = tensor.reshape(())
        elif name.endswith("torgb.bias") or name == "mapping.w_avg":
            renamed[name] = tensor.flatten()
        elif name.endswith("noise_const"):
            renamed[name] = tensor[0, 0]
    blocks = {name.split(".")[1] for name in renamed if name.startswith("synthesis.")}
    for block in blocks:
        holders = ["", "conv1.", *(["conv0."] if block != "b4" else [])]
        renamed |= {
            f"synthesis.{block}.{holder}resample_filter": torch.outer(line, line) for holder in holders
        }
    return renamed


def length(tensors: Tensors, *places: tuple[str, int]) -> int:
    """The size of the first of these (tensor, axis) that is there."""
    for name, axis in places:
        if name in tensors and tensors[name].dim() > axis:
            return tensors[name].shape[axis]
    raise OhloraError(
        f"the network's sizes cannot be told: missing {' and '.join(name for name, _ in places)}"
    )


def numbers(tensors: Tensors, pattern: str) -> list[int]:
    """The numbers that stand in names of this pattern, ascending."""
    return sorted({int(match[1]) for name in tensors if (match := re.match(pattern, name))})


def sizes_of(kind: str, tensors: Tensors, conv_clamp: float | None) -> Plan:
    """The sizes of the network the tensors belong to, by their shapes."""
    if kind not in KINDS:
        raise OhloraError(f"kind={kind} is not one of {' | '.join(KINDS)}")
    first = kind == "stylegan1"
    layer = "dense" if first else "fc"
    count = len(numbers(tensors, rf"mapping\.{layer}(\d+)\."))
    mapping = [length(tensors, (f"mapping.{layer}{i}.bias", 0)) for i in range(count)]
    blocks = numbers(tensors, r"synthesis\.output(\d+)\." if first else r"synthesis\.b(\d+)\.")
    inner = [f"layer{2 * block + 1}" if first else f"b{block}.conv1" for block in blocks]
    channels = [
        length(tensors, (f"synthesis.{name}.bias", 0), (f"synthesis.{name}.weight", 0)) for name in inner
    ]
    in_order = blocks == [i if first else 4 << i for i in range(len(blocks))]
    if first:
        label_dim, embedding = tensors.get("mapping.label_weight", torch.empty(0, 0)).shape
    else:
        embedding, label_dim = tensors.get("mapping.embed.weight", torch.empty(0, 0)).shape
    latent = length(tensors, (f"mapping.{layer}0.weight", 1)) - embedding
    if not mapping or not in_order or not 2 <= len(channels) <= 9 or latent < 1:
        raise OhloraError(
            f"no generator has these sizes: {len(mapping)} mapping layers, {len(channels)} blocks from 4 px"
            f" on{'' if in_order else ' with gaps between them'}, latents of {latent} (known: 8 to 1024 px)"
        )
    if first:
        return Plan(latent, label_dim, embedding, tuple(mapping), tuple(channels))
    return Plan2(latent, label_dim, embedding, tuple(mapping), tuple(channels), conv_clamp)


def network_for(kind: str, tensors: Tensors, conv_clamp: float | None) -> Network:
    """The network of the tensors' sizes with these weights, for evaluation, without own gradients."""
    plan = sizes_of(kind, tensors, conv_clamp)
    network = StyleGAN2(plan) if isinstance(plan, Plan2) else StyleGAN1(plan)
    fill(network, tensors)
    if isinstance(network, StyleGAN1) and float(network.synthesis.lod) != 0:
        raise OhloraError(
            f"synthesis.lod={float(network.synthesis.lod):g}: a snapshot from amid progressive training,"
            " whose largest layers are not trained; only lod=0 is read"
        )
    return network.eval().requires_grad_(False)


def fill(network: nn.Module, tensors: Tensors) -> None:
    """Load every tensor; OhloraError names all that are missing, unexpected or of another shape."""
    places = network.state_dict()
    missing = sorted(set(places) - set(tensors))
    unexpected = sorted(set(tensors) - set(places))
    shapes = [
        f"{name} {list(tensors[name].shape)} instead of {list(places[name].shape)}"
        for name in sorted(set(places) & set(tensors))
        if tensors[name].shape != places[name].shape
    ]
    faults = [
        f"{len(found)} {what}: {listed(found)}"
        for what, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if found
    ]
    if faults:
        raise OhloraError(f"the tensors do not fit {type(network).__name__}: {'; '.join(faults)}")
    numbers_only = [
        name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor.float()).all())
    ]
    if numbers_only:
        raise OhloraError(f"not finite: {listed(sorted(numbers_only))}")
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
