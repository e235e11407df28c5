"""Whose a listener is: its class and the distribution that brings it."""

from __future__ import annotations

from importlib.metadata import entry_points
from inspect import ismodule


def described(listener: object) -> str:
    """A listener's class, or module, with the distribution that brings it where an entry point tells."""
    if ismodule(listener):
        module = name = listener.__name__
    else:
        module, name = type(listener).__module__, f"{type(listener).__module__}.{type(listener).__qualname__}"
    package = module.partition(".")[0]
    points = [point for point in entry_points(group="upt_core") if point.module.partition(".")[0] == package]
    brought = {f"{point.dist.name} {point.dist.version}" for point in points if point.dist is not None}
    return f"{name} ({', '.join(sorted(brought))})" if brought else name
