"""Annotations as a person reads them: ``Annotated[int, Field(ge=1)]`` → "int ≥ 1", a Literal → its words."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from upt_core.config.schema import Plugin

_SIGNS = ((Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤"))


def readable(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """A type in words that fit a YAML file.

    Args:
        annotation: of a field of a plugin's model.
        metadata: what stood beside it in ``Annotated``, where pydantic has taken it apart.
    """
    found = [item for item in metadata if isinstance(item, Plugin)]
    if found:
        return "number or schedule" if found[0].kind == "schedule" else found[0].kind
    return f"{_bare(annotation)} {', '.join(_bounds(metadata))}".strip()


def _bare(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return readable(args[0], args[1:])
    if origin is Literal:
        return " | ".join(str(arg) for arg in args)
    if origin in (Union, types.UnionType):
        return " or ".join(readable(arg) for arg in args)
    if origin in (list, tuple):
        return f"list of {readable(args[0])}"
    if origin is dict:
        return f"mapping of {readable(args[0])} to {readable(args[1])}"
    return "null" if annotation in (None, type(None)) else str(getattr(annotation, "__name__", annotation))


def _bounds(metadata: tuple[Any, ...]) -> list[str]:
    found = []
    for item in metadata:
        if isinstance(item, FieldInfo):
            found += _bounds(tuple(item.metadata))
        found += [f"{sign} {getattr(item, name)}" for cls, name, sign in _SIGNS if isinstance(item, cls)]
    return found
