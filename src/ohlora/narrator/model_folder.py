"""Folders of language models and adapters: found or fetched, and checked without loading a weight."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from ohlora import lineage
from ohlora.errors import OhloraError, need_packages
from ohlora.narrator import gemma
from ohlora.narrator.language_model import LanguageModelNarrator

WEIGHTS = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]  # nothing that has to be unpickled
Shapes = dict[str, list[int]]  # of weights, by name


def find_model(name: str, instead: str | None = None) -> str:
    """The folder of a model or adapter, fetched from the Hub where `name` is none; OhloraError if nowhere.

    A name whose first part is a folder here is a folder mistyped, and the Hub is not asked for it. `instead`:
    the setting that needs no network.
    """
    if name == gemma.NAME:
        return str(gemma.converted())
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not ({"config.json", "adapter_config.json"} & {file.name for file in folder.iterdir()}):
            raise OhloraError(f"{folder} holds no model: neither config.json nor adapter_config.json")
        return str(folder)
    nowhere = OhloraError(f"no model at {name}: neither a folder nor a name on the Hub (owner/name)")
    if folder.is_absolute() or name.count("/") != 1 or folder.parent.is_dir():
        raise nowhere
    try:
        return snapshot_download(name, allow_patterns=WEIGHTS)
    except HFValidationError:
        raise nowhere from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OhloraError(
            f"{name} is not on this machine and cannot be fetched from the Hub ({why})"
            + (f"; {instead} needs no network" if instead else "")
        ) from None


def check_narrator(narrator: LanguageModelNarrator) -> None:
    """Raise OhloraError where the model or its adapter is missing, damaged, or the adapter is another's."""
    if narrator.adapter:
        need_packages("gemma" if narrator.model == gemma.NAME else "narrator", "peft")
    folder = Path(find_model(narrator.model, narrator.instead))
    try:
        read_json(folder / "config.json")
        shapes = read_shapes(folder, "model")
        check_tokenizer(folder)
    except OhloraError as error:
        if narrator.model == gemma.NAME:
            raise OhloraError(f"{error}; {gemma.how_to_mend(folder)}") from None
        raise
    if narrator.adapter:
        try:
            check_adapter(narrator.adapter, narrator.model, shapes)
        except OhloraError as error:
            raise OhloraError(
                f"{error} (adapter=null: without one; python -m ohlora fine-tune: a new one)"
            ) from None


def check_adapter(name: str, model: str, shapes: Shapes) -> None:
    """Raise OhloraError where a LoRA adapter is missing, damaged, or made for a model of other shapes."""
    folder = Path(find_model(name))
    kind = read_json(folder / "adapter_config.json").get("peft_type")
    if kind != "LORA":
        raise OhloraError(f"{folder / 'adapter_config.json'}: peft_type={kind} is not LORA")
    if strangers := foreign_layers(read_shapes(folder, "adapter_model"), shapes):
        raise OhloraError(
            f"{name} is an adapter for another model than {model}:"
            f" no layer {strangers[0]} of that shape there"
            + (f" ({len(strangers)} of its layers do not fit)" if len(strangers) > 1 else "")
        )


def read_json(path: Path) -> Mapping[str, Any]:
    """A file that holds one JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OhloraError(f"{path.parent} has no {path.name}") from None
    except (ValueError, RecursionError) as error:
        raise OhloraError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise OhloraError(f"{path} is damaged: not a JSON object")
    return content


def check_tokenizer(folder: Path) -> None:
    """Raise OhloraError where tokenizer.json is damaged; a folder may have an older kind, told on loading."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return
    try:
        Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more exact
        raise OhloraError(f"{path} is damaged: {error}") from None


def read_shapes(folder: Path, name: str) -> Shapes:
    """The shape of every weight, from the headers of the safetensors files; each is as long as its says."""
    shapes: Shapes = {}
    for path in weight_files(folder, name):
        try:
            with safe_open(path, framework="np") as file:
                shapes |= {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise OhloraError(f"{path} is damaged: {error}") from None
    return shapes


def weight_files(folder: Path, name: str) -> Iterator[Path]:
    """`name`.safetensors, or the parts that its index names."""
    index = folder / f"{name}.safetensors.index.json"
    parts = [f"{name}.safetensors"]
    if index.is_file():
        weights = read_json(index).get("weight_map")
        if not isinstance(weights, dict) or not weights:
            raise OhloraError(f"{index} is damaged: no weight_map")
        parts = sorted(set(map(str, weights.values())))
    for part in parts:
        path = folder / Path(part).name
        if not path.is_file():
            raise OhloraError(f"{folder} has no {path.name}")
        yield path


def note_reading(folder: str, name: str) -> None:
    """Tell the run that it reads these weights. Those in parts are gigabytes, not worth a digest a match."""
    path = Path(folder) / f"{name}.safetensors"
    if path.is_file():
        lineage.read("model", Path(folder).name, path)


def foreign_layers(adapter: Shapes, model: Shapes) -> list[str]:
    """Layers of a LoRA adapter that `model` does not have, or has in another shape."""
    found = []
    for key, shape in adapter.items():
        layer, kind = key.removeprefix("base_model.model."), ""
        for mark in (".lora_A", ".lora_B", ".lora_embedding_A", ".lora_embedding_B", ".modules_to_save"):
            if mark in layer:
                layer, kind = layer.partition(mark)[0], mark
                break
        layer = layer.removesuffix(".weight").removesuffix(".bias")
        # Without the first word: a checkpoint may lack the prefix that a causal model adds, or have another.
        tail = f"{layer.partition('.')[2] or layer}.weight"
        base = next((of for one, of in model.items() if f".{one}".endswith(f".{tail}")), None)
        side = shape[-1] if kind == ".lora_A" else shape[0]
        fits = base is not None and (kind not in (".lora_A", ".lora_B") or side in base)
        if not fits and not (layer.endswith("lm_head") and any("embed" in one for one in model)):
            found.append(layer)
    return list(dict.fromkeys(found))
