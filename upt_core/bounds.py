"""Bounds are stated once, in the annotations of a constructor: they guard YAML, and here a call by hand.

pydantic is imported at the first call, so that naming plugins stays fast.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from upt_core.wording import what_is_wrong

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Constructor = Callable[..., None]


class Bounded:
    """A class whose constructors refuse arguments outside the bounds of their annotations.

    ``num_queries: Annotated[int, Field(ge=1)]`` and ``mode: Literal["a", "b"]`` need no check by hand; what only
    several arguments together can break, a constructor checks itself.

    Raises:
        ValueError: class, parameter, value and bound.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in cls.__dict__:
            setattr(cls, "__init__", _guarded(cls.__dict__["__init__"]))  # noqa: B010 (mypy forbids the plain form)


def _guarded(constructor: Constructor) -> Constructor:
    signature = inspect.signature(constructor)

    @functools.wraps(constructor)
    def guarded(self: Any, *arguments: Any, **keywords: Any) -> None:
        try:
            given = signature.bind(self, *arguments, **keywords).arguments
        except TypeError:
            given = {}  # Python's own message says it better
        for name, adapter in _adapters(constructor).items():
            if name in given:
                _check(type(self).__name__, name, given[name], adapter)
        constructor(self, *arguments, **keywords)

    return guarded


def _check(owner: str, name: str, value: Any, adapter: TypeAdapter[Any]) -> None:
    from pydantic import ValidationError

    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{owner}: {name} {what_is_wrong(error.errors(include_url=False))}") from None


@cache
def _adapters(constructor: Constructor) -> dict[str, TypeAdapter[Any]]:
    """A validator for each parameter whose annotation has a bound or a choice."""
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True)
    hints = _hints(constructor)
    return {name: TypeAdapter(hint, config=config) for name, hint in hints.items() if _has_bound(hint)}


def _hints(constructor: Constructor) -> dict[str, Any]:
    """The annotations as types; none where they name what only a type checker imports (upt plugins doctor tells)."""
    try:
        return get_type_hints(constructor, include_extras=True)
    except NameError:
        return {}


def _has_bound(hint: Any) -> bool:
    return get_origin(hint) in (Annotated, Literal) or any(_has_bound(part) for part in get_args(hint))
