"""Tells the listeners of a run what happens; one that fails is reported once, and the run goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import pluggy

from upt_core.errors import EndRun
from upt_core.registry.descriptions import described
from upt_core.registry.hookspecs import PROJECT, RunHooks, refuse_unknown_hooks
from upt_core.remarks import remark

BEFORE_ANYTHING = "run_started"
"""The hook that may refuse a run: nothing is lost yet."""


class Listeners:
    """Objects with ``@hookimpl`` methods, each called by itself.

    Training is worth more than a log, a picture or a tracker: an exception of a listener is reported once for each of
    its hooks, with its name, and the others are told all the same. Only these end the run: an ``EndRun``, which is
    meant to; what is not an ``Exception`` (Ctrl-C, ``SystemExit``); and any exception of ``run_started``, when nothing
    has been computed yet.

    Args:
        listeners: in the order in which they are told; ``@hookimpl(trylast=True)`` comes last.

    Raises:
        PluginValidationError: a listener has a hook of a name or argument that does not exist; the message names the
            nearest hook.
    """

    def __init__(self, listeners: Iterable[object] = ()) -> None:
        listeners = list(listeners)
        self._all = _manager(listeners)
        self._each = {id(listener): _manager([listener]) for listener in listeners}
        self._reported: set[tuple[int, str]] = set()

    def tell(self, hook: str, **arguments: Any) -> None:
        """Calls a hook of every listener that has it."""
        implementations = getattr(self._all.hook, hook).get_hookimpls()
        for implementation in reversed(implementations):  # pluggy calls the last one first
            self._tell(implementation.plugin, hook, arguments)

    def heard_by(self, listener: object) -> list[str]:
        """The hooks that a listener has."""
        callers = self._all.get_hookcallers(listener) or []
        return [caller.name for caller in callers]

    def _tell(self, listener: object, hook: str, arguments: dict[str, Any]) -> None:
        try:
            getattr(self._each[id(listener)].hook, hook)(**arguments)
        except Exception as error:
            if isinstance(error, EndRun):
                raise
            if hook == BEFORE_ANYTHING:
                error.add_note(f"raised by the hook {hook} of {described(listener)}")
                raise
            self._report(listener, hook, error)

    def _report(self, listener: object, hook: str, error: Exception) -> None:
        if isinstance(error, BrokenPipeError):
            _forget_output()
        if (id(listener), hook) in self._reported:
            return
        self._reported.add((id(listener), hook))
        remark(
            f"{described(listener)} failed in {hook}: {type(error).__name__}: {error}; training goes on, and further "
            f"failures of this hook are not reported"
        )


def _manager(listeners: Iterable[object]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(RunHooks)
    for listener in listeners:
        manager.register(listener)
    refuse_unknown_hooks(manager)
    return manager


def _forget_output() -> None:
    """Nobody reads the output any more (``| head`` has ended): from now on it goes nowhere, without an error."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
