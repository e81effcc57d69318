"""For the Python page: a field's comment describes it, a deferred method is the function that it calls.

An extension of Griffe, which reads the sources for mkdocstrings.
"""

from __future__ import annotations

import ast
import re

import griffe


class FieldComments(griffe.Extension):
    """Reads what this code base writes behind fields (`low: Finite  # included`) and in `deferred(...)`."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        for found in classes(pkg):
            fields = [one for one in found.members.values() if isinstance(one, griffe.Attribute)]
            for field in fields:
                function = deferred_function(pkg, field)
                if function is not None and not field.name.startswith("_"):
                    found.set_member(field.name, as_method(function, field.name, found))
            config_class = any(str(one.value) == "config" for one in found.decorators)
            if config_class:
                found.set_member("__init__", constructor(found, fields))
            if found.docstring and (config_class or "dataclass" in found.labels):
                lines = [f"- `{field.name}`: {comment(field)}" for field in fields if comment(field)]
                found.docstring.value = "\n".join([found.docstring.value, "", *lines])


def classes(module: griffe.Module) -> list[griffe.Class]:
    inside = [one for child in module.modules.values() if not child.is_alias for one in classes(child)]
    return [one for one in module.classes.values() if isinstance(one, griffe.Class)] + inside


def constructor(owner: griffe.Class, fields: list[griffe.Attribute]) -> griffe.Function:
    """Of a class under `@config`, which is a dataclass."""
    kind = griffe.ParameterKind.positional_or_keyword
    given = [
        griffe.Parameter(one.name, annotation=one.annotation, kind=kind, default=one.value)
        for one in fields
        if is_field(one)
    ]
    own = griffe.Parameter("self", kind=kind)
    return griffe.Function("__init__", parameters=griffe.Parameters(own, *given), parent=owner)


def is_field(member: griffe.Attribute) -> bool:
    return member.annotation is not None and "ClassVar" not in str(member.annotation) and bool(member.lineno)


def comment(field: griffe.Attribute) -> str:
    """What stands behind a field of a dataclass."""
    if not is_field(field):
        return ""
    found = re.search(r"\s#\s(?!type: )(.*)", field.lines_collection[field.filepath][field.lineno - 1])  # type: ignore[index]
    return found[1] if found else ""


def deferred_function(package: griffe.Module, field: griffe.Attribute) -> griffe.Function | None:
    """What `name = deferred("ohlora.module", "function")` calls."""
    if not str(field.value or "").startswith("deferred("):
        return None
    module, function = (ast.literal_eval(str(one)) for one in field.value.arguments)  # type: ignore[union-attr]
    found = package[module.removeprefix(f"{package.name}.")][function]
    return found if isinstance(found, griffe.Function) else None


def as_method(function: griffe.Function, name: str, owner: griffe.Class) -> griffe.Function:
    """A function whose first argument is the object, as the object's method."""
    return griffe.Function(
        name,
        parameters=griffe.Parameters(*list(function.parameters)[1:]),
        returns=function.returns,
        docstring=function.docstring,
        lineno=function.lineno,
        parent=owner,
        lines_collection=function.lines_collection,
        modules_collection=function.modules_collection,
    )
