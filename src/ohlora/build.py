"""A config -> the objects it names, every fault of the whole tree in one message.

A node names its class by `_target_`: a config class of ours, checked field by field. Nothing else is ever
called: a config may come from somebody else. Faults carry the name of the setting that was typed: a job
that takes `${subset.family}` is told of `subset.family.classes`.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from functools import partial
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, ListConfig
from omegaconf.base import Node

from ohlora.config import InvalidConfig, Wrong, holds_wrong, shown
from ohlora.errors import OhloraError, nearest
from ohlora.text import printable

OURS = re.compile(r"(ohlora|hydra_plugins\.ohlora_launcher)(\.[A-Za-z_]\w*)+")
# What else may be named: dotted names with commas between them, in the environment and not in a config,
# which may be somebody else's. Read once: a config can set variables of its own job.
TRUSTED = frozenset(filter(None, os.environ.get("OHLORA_TRUST", "").replace(" ", "").split(",")))
RESERVED = ("_target_", "_partial_")


# Rooms whose modules are not all light.
HEAVY = ("ohlora.laboratory.sources.parsing",)


WRONG = Wrong()


def build(node: Any, added: Iterable[str] = ()) -> Any:
    """The object a config node names, its parts built first; a plain value or table stays what it is.

    `cfg.job` takes what its node does not give from the setting of the same name at the config's root.
    Config classes with a method `make` stand for what it makes (a logger, a callback). That is made last,
    when everything else has been found right; fields that a class lists in `makes`, it makes itself. Raises
    OhloraError with every fault of the tree; one of them is a setting `added` to what conf has, by its
    dotted name, that nothing takes.
    """
    if not isinstance(node, DictConfig | ListConfig):
        return node
    check = _Builder(made=False, light=True)
    built = check.value(node)
    if check.later and not check.faults:
        check = _Builder(made=False)
        built = check.value(node)
    faults = list(check.faults)
    if check.whole:
        faults += [
            f"{name} is not a setting here{nearest(name, check.taken.keys() - {*added})}"
            for name in added
            if name not in check.taken and not any(fault.startswith(name) for fault in faults)
        ]
    if faults:
        raise OhloraError("; ".join(faults))
    return _Builder(made=True).value(node) if check.makes else built


def faults_at_once(node: Any) -> list[str]:
    """The faults of a config node that are found without importing torch; nothing is made of it."""
    check = _Builder(made=False, light=True)
    if isinstance(node, DictConfig | ListConfig):
        check.value(node)
    return list(check.faults)


class _Builder:
    """One walk through a tree; `made`: parts with a `make` are replaced by what they make.

    `light`: what imports torch is left for the next walk, so that a fault elsewhere is told in a second.
    """

    def __init__(self, made: bool, light: bool = False) -> None:
        self.made, self.makes = made, False
        self.light, self.later = light, False
        self.faults: dict[str, None] = {}  # in the order found, each once
        self.taken: dict[str, None] = {}  # names of all settings looked at
        self.whole = True  # whether the job's fields are known, and with them what it takes
        self.built: dict[str, Any] = {}  # by the name of the setting: two references to it, one object

    def value(self, node: Node) -> Any:
        if isinstance(node, DictConfig):
            if node._is_none():
                return None
            return self.object(node) if "_target_" in node else self.parts(node)[0]
        if isinstance(node, ListConfig):
            return None if node._is_none() else list(self.parts(node)[0].values())
        return node._value()

    def parts(self, node: DictConfig | ListConfig) -> tuple[dict[Any, Any], dict[Any, str]]:
        """The values under a node, and the name of the setting that each comes from."""
        keys = range(len(node)) if isinstance(node, ListConfig) else node.keys()
        found = {key: followed(node, key) for key in keys if key not in RESERVED}
        values = {key: self.part(node, key, child) for key, child in found.items()}
        names = {key: child._get_full_key("") for key, child in found.items()}
        self.taken |= dict.fromkeys(names.values())
        return values, names

    def part(self, node: DictConfig | ListConfig, field: Any, child: Node) -> Any:
        """The value of a field, not yet made where the class that has it makes it itself."""
        made = self.made
        self.made = made and field not in made_by_itself(node)
        try:
            return self.value(child)
        finally:
            self.made = made

    def object(self, node: DictConfig) -> Any:
        """What a node with `_target_` names, or WRONG where it is at fault."""
        name = node._get_full_key("")
        if name not in self.built:
            self.built[name] = self.new_object(node, name)
        return self.built[name]

    def new_object(self, node: DictConfig, name: str) -> Any:
        values, names = self.parts(node)
        if self.light and is_heavy(node["_target_"]):
            self.later, self.whole = True, self.whole and name != "job"
            return WRONG
        try:
            target = find_target(node["_target_"])
            if odd := [key for key in node if str(key).startswith("_") and key not in RESERVED]:
                raise OhloraError(f"{printable(odd[0])} is not a setting here")
        except OhloraError as error:
            self.faults[f"{name or 'config'}: {error}"] = None
            self.whole = self.whole and name != "job"
            return WRONG
        fields = parameters(target)
        if name == "job":  # what its node does not give is the root's setting of the same name
            root = node._get_root()
            assert isinstance(root, DictConfig)
            for field in (field for field in fields if field not in values and field in root):
                child = followed(root, field)
                values[field], names[field] = self.part(node, field, child), child._get_full_key("")
                self.taken[names[field]] = None
        else:
            names = {field: f"{name}.{field}" if name else field for field in fields} | names
        try:
            return self.call(target, values, bool(node.get("_partial_")))
        except InvalidConfig as invalid:
            for field, fault in invalid.faults:
                field, dot, inside = field.partition(".")
                self.faults[f"{names.get(field, field)}{dot}{inside}{fault}"] = None
        except OhloraError as error:
            self.faults[str(error)] = None
        except (TypeError, ValueError, AttributeError) as error:  # of a class that checks no types
            self.faults[f"{name or target.__name__}: {printable(error)}"] = None
        return WRONG

    def call(self, target: Any, values: dict[Any, Any], later: bool) -> Any:
        wrong = {key for key, value in values.items() if holds_wrong(value)}
        if not is_config_class(target) or later:
            check_arguments(target, values, later)
            if later or wrong:
                return WRONG if wrong else partial(target, **values)
        try:
            built = target(**values)
        except Exception as error:
            if not wrong:
                raise
            # Where parts are wrong, its own faults count; anything else may come of those parts.
            own = getattr(error, "faults", [("", str(error))] if isinstance(error, OhloraError) else [])
            raise InvalidConfig([one for one in own if one[0].partition(".")[0] not in wrong]) from None
        if wrong:
            return WRONG
        if not has_make(built):
            return built
        self.makes = True
        return built.make() if self.made else built


def followed(node: DictConfig | ListConfig, key: Any) -> Node:
    """A node's child; where it refers to another setting, that one."""
    child = node._get_node(key)
    assert isinstance(child, Node)
    return child._dereference_node()


def find_target(name: Any) -> Any:
    """The class a `_target_` names. Raises OhloraError where it is none that a config may name."""
    refused = OhloraError(
        f"_target_={shown(name)} is not a config class of ohlora's, and nothing else is run"
    )
    if not isinstance(name, str):
        raise refused
    module, _, member = name.rpartition(".")
    if name not in TRUSTED and not OURS.fullmatch(name):
        raise refused
    try:
        found = getattr(import_module(module), member, None)
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):  # a package that is not installed
            raise OhloraError(f"_target_={name} needs the package {error.name}") from None
        raise refused from None
    if name in TRUSTED:
        return found
    ours = inspect.isclass(found) and found.__module__.split(".")[0] in ("ohlora", "hydra_plugins")
    if not (ours and (is_dataclass(found) or is_config_class(found))):
        raise refused
    return found


def made_by_itself(node: DictConfig | ListConfig) -> tuple[str, ...]:
    """Fields whose parts the class of a node makes itself, when it needs them."""
    if not isinstance(node, DictConfig) or "_target_" not in node:
        return ()
    module, _, member = str(node["_target_"]).rpartition(".")
    return getattr(getattr(sys.modules.get(module), member, None), "makes", ())


def is_heavy(name: Any) -> bool:
    """Whether a target's module would import torch now."""
    return str(name).startswith(HEAVY) and str(name).rpartition(".")[0] not in sys.modules


def has_make(built: Any) -> bool:
    """Whether something is made of it, found without importing what a deferred `make` would."""
    return inspect.getattr_static(built, "make", None) is not None


def is_config_class(target: Any) -> bool:
    return inspect.isclass(target) and "__pydantic_fields__" in vars(target)


def parameters(target: Any) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]


def check_arguments(target: Any, values: Mapping[str, Any], some: bool) -> None:
    """Raise InvalidConfig where a class that checks no fields itself is given too much or too little."""
    signature = inspect.signature(target)
    allowed = parameters(target)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    faults = [
        (str(key), f" is not a setting here{nearest(key, allowed)} ({' | '.join(allowed)})")
        for key in values
        if key not in allowed and not open_ended
    ]
    if not some:
        faults += [
            (name, " is missing")
            for name, parameter in signature.parameters.items()
            if name in allowed and parameter.default is parameter.empty and name not in values
        ]
    if faults:
        raise InvalidConfig(faults)
