"""Weights as others publish them: safetensors, torch files, official pickles. For convert_weights alone."""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.laboratory.conversion.restricted import Persisted, damaged, read_snapshot

# Parts of a training file that hold a generator, averaged weights first: they draw the better pictures.
PARTS = ("G_ema", "g_ema", "generator_smooth", "G", "g", "generator")
OFFICIAL_SETTINGS = (("activation", ("lrelu", "linear")), ("architecture", ("skip",)))
SUFFIXES = (".safetensors", ".pth", ".pt", ".tar", ".pkl")


@dataclass(frozen=True)
class Source:
    """One generator's tensors, under the names its author gave them."""

    tensors: dict[str, Tensor]
    conv_clamp: float | None
    provenance: dict[str, Any]  # file, size, hash and part, for the card


def read_source(path: Path, trust: bool) -> Source:
    """Read a file; OhloraError where it is none that is known, or a pickle that is not trusted."""
    if not path.is_file():
        raise OhloraError(f"source={path} is not a file")
    if path.suffix.lower() not in SUFFIXES:
        raise OhloraError(f"source={path}: {path.suffix or 'no suffix'} is not one of {' | '.join(SUFFIXES)}")
    conv_clamp = None
    if path.suffix.lower() == ".pkl" and not zipfile.is_zipfile(path):
        if trust is not True:
            raise OhloraError(
                f"{path} is a pickle: a program, which can do anything when it is read the intended way. This"
                " command reads it as data and runs nothing of it; trust=true says you know where it is from"
            )
        with path.open("rb") as file:
            part, network = picked(read_snapshot(file, str(path)), Persisted, path)
        tensors, conv_clamp = official(network, path)
    else:
        part, tensors = picked(read_tensors(path), Mapping, path)
        tensors = {str(name): value for name, value in tensors.items() if isinstance(value, Tensor)}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    provenance = {"file": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest(), "part": part}
    return Source(tensors, conv_clamp, provenance)


def read_tensors(path: Path) -> Mapping[str, Any]:
    """What a safetensors or torch file holds, by readers that run nothing."""
    try:
        if path.suffix.lower() == ".safetensors":
            return load(path.read_bytes())
        # A training file keeps its command line beside the weights, as a plain namespace.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise OhloraError(f"{path} is damaged or not safetensors ({error})") from None
    except Exception as error:  # torch tells damaged files in a dozen ways
        why = " ".join(str(error).split())[:160]
        raise OhloraError(
            f"{path} is damaged, or holds more than tensors, which is not read"
            f" ({type(error).__name__}: {why})"
        ) from None
    if not isinstance(content, Mapping):
        raise OhloraError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    return content


def picked(content: Mapping[str, Any], kind: type, path: Path) -> tuple[str, Any]:
    """The name of a file's first generator, and it; a file may be a generator's state dict itself."""
    for part in PARTS:
        if isinstance(content.get(part), kind):
            found = content[part]
            # rosinality keeps the average style beside the network.
            if kind is Mapping and isinstance(content.get("latent_avg"), Tensor):
                found = {**found, "latent_avg": content["latent_avg"]}
            return part, found
    if kind is Mapping and any(isinstance(value, Tensor) for value in content.values()):
        return "all", content
    there = ", ".join(sorted(map(str, content))[:8]) or "nothing"
    raise OhloraError(f"{path} has no generator: {there} (looked for: {' | '.join(PARTS)})")


def official(network: Persisted, path: Path) -> tuple[dict[str, Tensor], float | None]:
    """An official network's tensors and the limit of its activations; OhloraError where it is damaged."""
    try:
        return network.tensors(), official_clamp(network, path)
    except OhloraError:
        raise
    except Exception as error:  # parts that are no parts, or contain themselves
        raise damaged(str(path), error) from None


def official_clamp(network: Persisted, path: Path) -> float | None:
    """The limit of activations an official file was trained with; its other settings must be known ones."""
    limits = set()
    for name, part in network.walk().items():
        state = part.state
        for setting, known in OFFICIAL_SETTINGS:
            if setting in state and state[setting] not in known:
                raise OhloraError(
                    f"{path}: {name}.{setting}={state[setting]} is not known; known: {' | '.join(known)}"
                )
        multiplier = state.get("bias_gain")
        if name.startswith("mapping.fc") and isinstance(multiplier, float) and multiplier != 0.01:
            raise OhloraError(f"{path}: {name} has lr_multiplier={multiplier:g}; known: 0.01")
        if "conv_clamp" in state:
            limits.add(state["conv_clamp"])
    if len(limits) > 1:
        raise OhloraError(f"{path}: layers with different conv_clamp: {sorted(map(str, limits))}")
    return float(limit) if (limit := next(iter(limits), None)) is not None else None
