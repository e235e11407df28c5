"""Checks a callback against the contract of ``upt_core.Callback``; for its author's own tests."""

from __future__ import annotations

import inspect

from upt_core.errors import PluginError
from upt_core.kinds import Callback
from upt_core.registry.hookspecs import PROJECT
from upt_core.testing.failure import ConformanceError, require, require_object
from upt_core.training.listeners import Listeners, RunHooks, UnknownHookError

HOOKS = tuple(name for name, _ in inspect.getmembers(RunHooks, inspect.isfunction))


def check_callback(callback: Callback) -> None:
    """Raises unless every hook of a callback exists, is marked, and asks for arguments that the hook has.

    What a callback does is not tried: train a tiny experiment with ``Experiment.train(listeners=[callback])`` for
    that.

    Args:
        callback: the callback.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_object(callback)
    known = ", ".join(HOOKS)
    unmarked = [name for name in HOOKS if callable(getattr(callback, name, None)) and not _marked(callback, name)]
    require(
        not unmarked,
        "marks",
        f"{', '.join(unmarked)} is not marked, so it would never be called",
        "every hook marked with @hookimpl",
        "write @upt_core.hookimpl above the method",
    )
    try:
        Listeners([callback])
    except UnknownHookError as error:
        raise ConformanceError(
            "hooks",
            str(error),
            f"methods with the names and arguments of these hooks: {known}",
            "give the method the name of its hook, and its arguments the names in "
            "upt_core.training.listeners.RunHooks; leave out arguments that it does not need",
        ) from error
    except PluginError as error:
        raise ConformanceError(
            "hooks",
            f"{type(callback).__name__} implements no hook",
            f"at least one of: {known}",
            "name a method as a hook and mark it with @hookimpl",
        ) from error


def _marked(callback: Callback, name: str) -> bool:
    return hasattr(getattr(callback, name), f"{PROJECT}_impl")
