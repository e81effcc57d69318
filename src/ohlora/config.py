"""Config classes: what a config or a file may hold, declared once beside the field and checked when built.

Validation is pydantic's. Modules that hold config classes stay light (no torch, no Lightning), so that a
wrong value is answered before anything heavy is imported; `deferred` names the function that does the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from functools import wraps
from importlib import import_module
from inspect import getattr_static
from types import MethodType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from ohlora.errors import OhloraError, nearest

T = TypeVar("T")
C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., None])

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Ge(1)]  # at least one
Index = Annotated[int, Ge(0)]  # counted from 0; a seed
Name = Annotated[str, MinLen(1)]
Many = Annotated[tuple[T, ...], Strict(False)]  # a list in YAML


def _ascending(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    if pair[0] > pair[1]:
        raise ValueError("its first number is above its second")
    return pair


def having(*methods: str) -> AfterValidator:
    """Of a field for any object with one of `methods`, found without importing what defers them."""

    def check(part: Any) -> Any:
        if all(getattr_static(type(part), method, None) is None for method in methods):
            raise ValueError("choose one by its name (--help lists them)")
        return part

    return AfterValidator(check)


Span = Annotated[tuple[T, T], Strict(False), AfterValidator(_ascending)]  # [low, high] in YAML


class InvalidConfig(OhloraError):
    """A config class was given what it may not hold; `faults` has (field, what is wrong) for each."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{name}{fault}" for name, fault in faults))


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def config(cls: C) -> C:
    """A frozen dataclass whose fields are checked: exact types, declared ranges, finite, no unknown keys.

    Raises InvalidConfig with every fault at once. `dataclasses.asdict`, `fields` and `replace` work on it.
    """
    settings = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    checked: Any = pydantic_dataclass(frozen=True, config=settings)(cls)
    validate = checked.__init__
    comparisons = [
        check
        for kind in reversed(cls.__mro__)
        for check in vars(kind).values()
        if hasattr(check, "_compares")
    ]

    @wraps(validate)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(checked.__pydantic_fields__, args, strict=False)) | kwargs
        found: list[tuple[str, str]] = []
        try:
            validate(self, *args, **kwargs)
        except ValidationError as error:
            found = faults(error, checked, given)
        if not comparisons and not found:
            return
        wrong = {name.partition(".")[0] for name, _ in found}
        wrong |= {name for name, value in given.items() if holds_wrong(value)}
        if wrong:  # the others are still compared with one another
            self = _stand_in(checked, given, wrong)
        for compare in comparisons:
            try:
                compare(self)
            except (ValueError, OhloraError) as error:
                found += getattr(error, "faults", [("", str(error))])
            except AttributeError:
                if not wrong:
                    raise
        if found:
            raise InvalidConfig(found) from None

    checked.__init__ = init
    return checked


def compared(check: F) -> F:
    """Mark a config class's method as cross-field validation: it raises ValueError or OhloraError.

    It is called whenever the fields it reads are right by themselves, whatever is wrong with others.
    """
    check._compares = True  # type: ignore[attr-defined]
    return check


def _stand_in(cls: Any, given: Mapping[str, Any], wrong: Collection[str]) -> Any:
    """An object of the class without the fields that are wrong; asking for one is an AttributeError."""

    class StandIn(cls):
        def __getattribute__(self, name: str) -> Any:
            if name in wrong:
                raise AttributeError(name)
            return super().__getattribute__(name)

    some = object.__new__(StandIn)
    some.__dict__.update(given)
    return some


class Wrong:
    """Stands for a part of a config that could not be built, so that the rest is checked as well."""

    def __repr__(self) -> str:
        return "wrong"


def holds_wrong(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(holds_wrong, value.values()))
    if isinstance(value, list | tuple):
        return any(map(holds_wrong, value))
    return isinstance(value, Wrong)


def deferred(module: str, function: str) -> Any:
    """A method that another module has, imported when first called: `run = deferred("ohlora.x", "run_x")`."""
    return _Deferred(module, function)


def deferred_property(module: str, function: str) -> Any:
    """A cached property that another module has, worked out when first asked for."""
    return _DeferredProperty(module, function)


class _Deferred:
    def __init__(self, module: str, function: str) -> None:
        self.module, self.function = module, function

    def __get__(self, instance: Any, owner: type | None = None) -> Callable[..., Any]:
        function = getattr(import_module(self.module), self.function)
        return function if instance is None else MethodType(function, instance)


class _DeferredProperty(_Deferred):
    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = super().__get__(instance, owner)()
        vars(instance)[self.name] = value  # found there from now on
        return value


def faults(error: ValidationError, cls: Any, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(field, what is wrong with it), one for each field of a config class that is at fault.

    Of a table it is the row that is at fault: `moods.happy.eyes`.
    """
    types = {
        name: Annotated[info.annotation, *info.metadata, None]
        for name, info in cls.__pydantic_fields__.items()
    }
    found: dict[str, str] = {}
    for one in error.errors(include_url=False):
        place = one["loc"][0] if one["loc"] else ""
        name = list(types)[place] if isinstance(place, int) and place < len(types) else str(place)
        if name in types and name not in given:
            fault = f" is missing ({expected(types[name])})"
        elif name and name not in types:
            fault = f" is not a setting here{nearest(name, types)} ({' | '.join(types)})"
        elif one["type"] == "value_error":  # of a validator of ours, which says it whole
            message = str(one.get("ctx", {}).get("error"))
            part = is_dataclass(value := given.get(name))  # whose own settings have names of their own
            fault = (f": {message}" if part else f"={shown(value)}: {message}") if name else message
        else:
            name, value, annotation = _at_fault(name, given.get(name), types.get(name, Any), one["loc"][1:])
            said = f"={shown(value)}" if value is not _KEY else ""
            value = name.rpartition(".")[2] if value is _KEY else value
            fault = f"{said} is not {expected(annotation)}{_meant(value, annotation)}"
        found.setdefault(name, fault)
    return list(found.items())


_KEY = object()  # in place of a value: it is the name of the row that is wrong


def _at_fault(name: str, value: Any, annotation: Any, keys: tuple[Any, ...]) -> tuple[str, Any, Any]:
    """Name, value and type of the row of a table that `keys` lead to."""
    for key in keys:
        plain = _table(annotation)
        if plain is None or not isinstance(value, Mapping):
            break
        if key not in value:  # pydantic's name for one of the types that a field may have
            continue
        name = f"{name}.{key}"
        if keys[-1] == "[key]" and key == keys[-2]:
            return name, _KEY, get_args(plain)[0]
        value, annotation = value[key], get_args(plain)[1]
    return name, value, annotation


def _table(annotation: Any) -> Any:
    """The type of a table among those that a field may have, or None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (dict, Mapping):
        return annotation
    some = args[:1] if origin is Annotated else args if origin in (Union, UnionType) else ()
    return next(filter(None, map(_table, some)), None)


def _meant(value: Any, annotation: Any) -> str:
    """The allowed word that is nearest to `value`, or to one of them, to go after a message."""
    words = list(map(str, _words(annotation)))
    values = value if isinstance(value, list | tuple) else [value]
    wrong = [one for one in values if isinstance(one, str) and one not in words]
    return next(filter(None, (nearest(one, words) for one in wrong)), "") if words else ""


def _words(annotation: Any) -> tuple[Any, ...]:
    """The words that a type allows."""
    args = get_args(annotation)
    if get_origin(annotation) is Literal:
        return args
    inner = args[:1] if get_origin(annotation) is Annotated else args
    return next(filter(None, map(_words, inner)), ())


def shown(value: Any, most: int = 60) -> str:
    """A value as a person would write it in YAML, cut off where it is long."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__
    if isinstance(value, list | tuple):
        text = f"[{', '.join(map(shown, value))}]"
    else:
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def expected(annotation: Any) -> str:
    """What a field of this type may hold, in words: `a whole number from 1 to 10, or null`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bounded(args[0], args[1:])
    if origin in (Union, UnionType):
        words = [expected(arg) for arg in args if arg is not type(None)]
        return ", or ".join([*words, *(["null"] if type(None) in args else [])])
    if origin is Literal:
        return "one of " + " | ".join(map(str, args))
    if origin is tuple:
        if len(args) == 2 and args[1] is not Ellipsis:
            return f"a pair [low, high], each {expected(args[0])}"
        return f"a list, each {expected(args[0])}" if args else "a list"
    if origin is list:
        return f"a list, each {expected(args[0])}"
    if isinstance(origin, type):
        return (
            "a table of names and values"
            if "Mapping" in origin.__name__ or origin is dict
            else "such a thing"
        )
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if annotation in words:
        return words[annotation]
    return f"a {annotation.__name__}" if isinstance(annotation, type) else "allowed here"


def _bounded(annotation: Any, metadata: tuple[Any, ...]) -> str:
    low = high = None
    above = below = False
    for bound in metadata:
        if isinstance(bound, Ge):
            low = bound.ge
        elif isinstance(bound, Gt):
            low, above = bound.gt, True
        elif isinstance(bound, Le):
            high = bound.le
        elif isinstance(bound, Lt):
            high, below = bound.lt, True
        elif isinstance(bound, MinLen):
            return f"{expected(annotation)}, not empty"
    words = expected(annotation)
    if annotation is int:  # whole numbers: say the last one that is allowed
        low, above = (low + 1, False) if above else (low, False)  # type: ignore[operator]
        high, below = (high - 1, False) if below else (high, False)  # type: ignore[operator]
    if low is not None and high is not None and not above and not below:
        return f"{words} from {number(low)} to {number(high)}"
    parts = []
    if low is not None:
        parts.append(f"above {number(low)}" if above else f"from {number(low)} up")
    if high is not None:
        parts.append(f"below {number(high)}" if below else f"up to {number(high)}")
    return " ".join([words, " and ".join(parts)]).strip()


def number(value: Any) -> str:
    return (
        str(int(value))
        if isinstance(value, float) and math.isfinite(value) and value == int(value)
        else str(value)
    )
