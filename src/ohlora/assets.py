"""Trained models on disk: weights as `<name>.safetensors`, and `<name>.json`, the card that explains them.

Nothing here unpickles, so a file from a stranger can at worst be refused.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ohlora import lineage
from ohlora.config import InvalidConfig
from ohlora.durable import as_json, replace_file, write_text
from ohlora.errors import OhloraError, nearest
from ohlora.provenance import current_commit, program

FORMAT = 1  # of the pair of files; raise it when older ones can no longer be read
# What building a network from a card, or filling it with weights, raises where it does not fit.
DOES_NOT_FIT = (
    *(AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError),
    InvalidConfig,
)
Network = TypeVar("Network", bound=nn.Module)
LIBRARIES = ("ohlora", "torch", "lightning", "safetensors")


def assets_dir() -> Path:
    """Where the models that ship with the package lie."""
    return Path(__file__).resolve().parent / "assets"


def save_model(
    folder: Path, name: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any], interim: bool = False
) -> Path:
    """Write `<name>.safetensors` and `<name>.json` into `folder`; return the path of the weights.

    `interim`: a step on the way, not what the run was started for.

    `card` is JSON and names at least the model's `kind`. What is known here is added: format, weights'
    digest and number of values, command, commit, date, and the versions of the libraries.
    """
    folder = folder.expanduser()
    if not card.get("kind"):
        raise ValueError("a card needs a kind: it is what tells one sort of model from another")
    weights = save({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()})
    whole = {
        "kind": card["kind"],
        "format": FORMAT,
        **{key: value for key, value in card.items() if key != "kind"},
        "weights": {
            "sha256": hashlib.sha256(weights).hexdigest(),
            "values": sum(tensor.numel() for tensor in tensors.values()),
            "bytes": len(weights),
        },
        "command": card.get("command", command_line()),
        "commit": card.get("commit", current_commit()),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "libraries": {"python": ".".join(map(str, sys.version_info[:3])), **library_versions()},
    }
    path = folder / f"{name}.safetensors"
    told = as_json(whole)  # before the weights, which no card would fit
    replace_file(path, weights)
    write_text(path.with_suffix(".json"), told)
    if not interim:
        lineage.made("model", name, path, path.with_suffix(".json"), sha256=whole["weights"]["sha256"])
    return path


def load_model(folder: Path, name: str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_model` wrote; OhloraError where it is missing, damaged or of another kind."""
    folder = folder.expanduser()
    weights_path, card_path = folder / f"{name}.safetensors", folder / f"{name}.json"
    missing = [path.name for path in (weights_path, card_path) if not path.is_file()]
    if missing:
        there = sorted(path.stem for path in folder.glob("*.safetensors")) if folder.is_dir() else []
        has = f"there: {' | '.join(there)}{nearest(name, there)}" if there else "no models there"
        raise OhloraError(f"no {kind} at {folder / name}: {' and '.join(missing)} missing ({has})")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 faults alike; nested without end
        raise OhloraError(
            f"{card_path} is damaged ({error}); expected the JSON card of kind={kind}"
        ) from None
    if not isinstance(card, dict) or "kind" not in card:
        raise OhloraError(f"{card_path} is not a model's card (no kind); expected the card of kind={kind}")
    if card["kind"] != kind:
        raise OhloraError(f"{card_path} is of kind={card['kind']}; expected kind={kind}")
    if card.get("format") != FORMAT:
        raise OhloraError(f"{card_path} has format={card.get('format')}; expected {FORMAT}")
    data = weights_path.read_bytes()
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise OhloraError(
            f"{weights_path} is damaged or not safetensors ({error}); expected kind={kind}"
        ) from None
    stated = card.get("weights")
    if not isinstance(stated, dict) or stated.get("sha256") != hashlib.sha256(data).hexdigest():
        raise OhloraError(f"{weights_path} is not the file its card {card_path.name} was written for")
    if broken := [name for name, tensor in tensors.items() if not is_finite(tensor)]:
        raise OhloraError(f"{weights_path} holds values that are not finite: {', '.join(broken[:5])}")
    lineage.read("model", name, weights_path, stated["sha256"])
    return tensors, card


def is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def load_network(
    folder: Path, name: str, kind: str, build: Callable[[dict[str, Any]], Network]
) -> tuple[Network, dict[str, Any]]:
    """A saved network, built by its card, in eval mode and without gradients of its own; and the card."""
    tensors, card = load_model(folder, name, kind)
    try:
        network = build(card)
        network.load_state_dict(tensors)
    except DOES_NOT_FIT as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise OhloraError(
            f"{folder / name}: the {kind}'s card and weights do not fit this version ({why})"
        ) from None
    return network.eval().requires_grad_(False), card


def need_resolution(card: Mapping[str, Any], resolution: int) -> None:
    """Raise OhloraError where a network was trained on pictures of another size."""
    if card.get("resolution") != resolution:
        raise OhloraError(
            f"resolution={resolution}, but the {card['kind']} there is for {card.get('resolution')} px:"
            f" ask for that, or give weights of {resolution} px with paths.face=DIR"
        )


def command_line() -> str:
    """What was typed, less what only says where files lie on this machine: of a whole path its last part."""
    places = ("hydra.", "paths.")
    said = []
    for argument in sys.argv[1:]:
        if not argument.lstrip("+~").startswith(places):
            name, given, value = argument.partition("=")
            path = Path(value.strip("'\""))  # a value may stand in quotes of Hydra's
            said.append(f"{name}={path.name}" if given and path.is_absolute() else argument)
    return shlex.join([*program(), *said])


def library_versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Installed versions of what wrote the file."""
    found = {}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return found
