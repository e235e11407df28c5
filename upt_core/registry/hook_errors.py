"""Who raised: an exception of a listener gets a note that names the callback, its distribution and the hook."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from inspect import ismodule
from typing import Any

import pluggy


def name_raisers(manager: pluggy.PluginManager) -> None:
    """From now on an exception that leaves a hook has a note that says whose it is; it stays the same object.

    A note and no new type: a run that is pruned, interrupted or refused must stay what it is for those who catch it.
    """
    manager.add_hookcall_monitoring(_before, _after)


def _before(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> None:
    """Nothing; pluggy asks for both."""


def _after(
    outcome: pluggy.Result[Any], hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]
) -> None:
    if outcome.exception is not None:
        who = " or ".join(described(plugin) for plugin in _raisers(outcome.exception, implementations))
        outcome.exception.add_note(f"raised by the hook {hook} of {who}")


def _raisers(error: BaseException, implementations: Sequence[pluggy.HookImpl]) -> list[object]:
    """The listener of which the traceback has a frame; all of them where none can be told by its code."""
    frames = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    found = [each.plugin for each in implementations if _code(each.function) in frames]
    return found or [each.plugin for each in implementations]


def _code(function: Any) -> object:
    return getattr(getattr(function, "__func__", function), "__code__", None)


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
