"""How a public name or parameter goes: it works on with a warning for at least one release, then it is removed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class UptDeprecationWarning(FutureWarning):
    """Something that a later version removes. Shown by default: plugins are used by others than their authors."""


def warn_deprecated(what: str, *, removed: str, instead: str, stacklevel: int = 2) -> None:
    """Says that something is deprecated, at the place that uses it.

    Args:
        what: the old name, as a user wrote it.
        removed: the version that no longer has it, for example "0.4".
        instead: what to write now.
        stacklevel: frames between this call and the place that uses the old name.
    """
    message = f"{what} is deprecated and will be removed in upt-core {removed}; use {instead}"
    warnings.warn(message, UptDeprecationWarning, stacklevel=stacklevel + 1)


def deprecated(*, removed: str, instead: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a function or method that a later version removes; each call warns."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **keywords: P.kwargs) -> R:
            warn_deprecated(f"{function.__qualname__}()", removed=removed, instead=instead)
            return function(*args, **keywords)

        return call

    return decorate


def renamed_parameter(old: str, new: str, *, removed: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Lets a function take a keyword by its old name, with a warning.

    Raises:
        TypeError: a call gives both names.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> R:
            if old in keywords:
                if new in keywords:
                    raise TypeError(
                        f"{function.__qualname__}() got {new!r} and its old name {old!r}; give {new!r} alone"
                    )
                what = f"the parameter {old!r} of {function.__qualname__}()"
                warn_deprecated(what, removed=removed, instead=repr(new))
                keywords[new] = keywords.pop(old)
            return function(*args, **keywords)

        return call

    return decorate
