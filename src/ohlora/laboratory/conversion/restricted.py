"""Reads the official StyleGAN2-ADA pickles as data: nothing they name is imported, no code they carry is run.

The one place in the house that knows pickle, entered by `python -m ohlora convert-weights` alone. A
pickle is a program that may call what it names. Here a name means a stand-in of ours, or the file is refused;
the stand-ins build tensors and dictionaries and nothing else. The Python source that such a file brings along
(it would be executed if unpickled the intended way) is left unread.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ohlora.errors import OhloraError

NUMPY = ("numpy.core", "numpy._core")  # before and since numpy 2


@dataclass
class Persisted:
    """The parts of an object whose class travels with it as source (official `torch_utils.persistence`)."""

    class_name: str
    state: Mapping[str, Any]

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and buffers by their full names, as a state dict has them."""
        found = {}
        for kind in ("_parameters", "_buffers"):
            for name, value in dict(self.state.get(kind) or {}).items():
                if isinstance(value, Tensor):
                    found[f"{prefix}{name}"] = value
        for name, part in self.parts().items():
            found |= part.tensors(f"{prefix}{name}.")
        return found

    def parts(self) -> dict[str, Persisted]:
        """Its submodules."""
        modules = dict(self.state.get("_modules") or {})
        return {str(name): part for name, part in modules.items() if isinstance(part, Persisted)}

    def walk(self, name: str = "") -> dict[str, Persisted]:
        """It and all beneath it, by full name."""
        found: dict[str, Persisted] = {name: self}
        for key, part in self.parts().items():
            found |= part.walk(f"{name}.{key}" if name else key)
        return found


def rebuilt_tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A view of a storage; as_strided refuses what lies outside it."""
    if not isinstance(storage, torch.TypedStorage):
        raise pickle.UnpicklingError("a tensor without a storage")
    # The typed storage alone knows what its bytes mean; asked for its bytes by the public way, it warns.
    flat = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)  # type: ignore[call-overload]
    return flat.as_strided(tuple(size), tuple(stride), offset).clone()


def loaded_storage(content: bytes) -> Any:
    """The storage inside a plain pickle: a file of torch's own kind within the file."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def persisted(meta: Any) -> Persisted:
    """The class's name and the object's state; the source beside them stays text."""
    if not isinstance(meta, Mapping) or not isinstance(meta.get("state"), Mapping):
        raise pickle.UnpicklingError("a persistent object without a state")
    return Persisted(str(meta.get("class_name")), meta["state"])


def allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    """Every name a generator's pickle may use, and what stands for it.

    Made anew for each file: a pickle can set attributes on what it names.
    """

    class Plain(dict):
        """dnnlib.EasyDict."""

    class Inert:
        """Numbers and types of numpy: settings that are not needed."""

        def __new__(cls, *_: Any, **__: Any) -> Inert:
            return object.__new__(cls)

        def __setstate__(self, state: Any) -> None:
            pass

    names: dict[tuple[str, str], Callable[..., Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
        ("_codecs", "encode"): lambda text, encoding: str(text).encode("latin-1"),  # bytes, in protocol 2
        ("dnnlib.util", "EasyDict"): Plain,
        ("dnnlib", "EasyDict"): Plain,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): lambda meta: persisted(meta),
        ("torch._utils", "_rebuild_tensor_v2"): lambda *given: rebuilt_tensor(*given),
        ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        ("torch.storage", "_load_from_bytes"): lambda content: loaded_storage(content),
        ("numpy", "dtype"): Inert,
        ("numpy", "ndarray"): Inert,
    }
    for module in NUMPY:
        names |= {(f"{module}.multiarray", name): Inert for name in ("scalar", "_reconstruct")}
        names[f"{module}.numeric", "_frombuffer"] = Inert
    return names


@dataclass
class Seen:
    """Names a file asked for that are not allowed."""

    refused: list[str] = field(default_factory=list)


class PlainUnpickler(pickle.Unpickler):
    """Looks names up in `allowed` and nowhere else."""

    def __init__(self, file: BinaryIO, seen: Seen) -> None:
        super().__init__(file)
        self.names = allowed()
        self.seen = seen

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in self.names:
            self.seen.refused.append(f"{module_name}.{global_name}")
            raise pickle.UnpicklingError("a name that is not allowed")
        return self.names[module_name, global_name]


def damaged(name: str, error: Exception) -> OhloraError:
    """What is said of a file that holds no network, whatever went wrong."""
    why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return OhloraError(f"{name} is damaged or no pickle of a StyleGAN2-ADA network ({why})")


def read_snapshot(file: BinaryIO, name: str) -> Mapping[str, Any]:
    """The dictionary an official file holds; OhloraError where it is anything else. `name` names the file."""
    seen = Seen()
    try:
        snapshot = PlainUnpickler(file, seen).load()
    except Exception as error:  # a broken or hostile stream can raise anything
        if seen.refused:
            raise OhloraError(
                f"{name} is refused: it names {seen.refused[0]}, which no generator is made of;"
                " nothing of it was run"
            ) from None
        raise damaged(name, error) from None
    if not isinstance(snapshot, Mapping):
        raise OhloraError(f"{name} holds a {type(snapshot).__name__}, not a dictionary with G_ema")
    return snapshot
