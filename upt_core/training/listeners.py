"""The life of a run as hooks, and who tells them: a listener that fails is reported once, and the run goes on."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from inspect import isclass, ismodule
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from upt_core.errors import EndRun, PluginError
from upt_core.registry.hookspecs import PROJECT, hookspec, refuse_unknown_hooks
from upt_core.remarks import remark

if TYPE_CHECKING:
    from upt_core.progress import Progress
    from upt_core.training.trainer import Trainer

BEFORE_ANYTHING = "run_started"
"""The hook that may refuse a run: nothing is lost yet."""


class RunHooks:
    """The life of a run, for callbacks. A hook that nobody implements is one empty call."""

    @hookspec
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Before the first step of the run, or of each of its stages: everything is built, the run folder exists."""

    @hookspec
    def step_ended(self, trainer: Trainer, progress: Progress, scalars: Mapping[str, float]) -> None:
        """After each logged step of the optimizer, with every term's raw value and weight and the learning rate."""

    @hookspec
    def validation_ended(self, trainer: Trainer, progress: Progress, metrics: Mapping[str, float]) -> None:
        """After the metrics of the validation split are known."""

    @hookspec
    def epoch_ended(self, trainer: Trainer, progress: Progress, scalars: Mapping[str, float]) -> None:
        """After each epoch, with the epoch's mean of every term."""

    @hookspec
    def checkpoint_saved(self, trainer: Trainer, path: Path) -> None:
        """After a checkpoint is complete on disk."""

    @hookspec
    def run_finished(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        """After the last epoch of the run, or of each of its stages, with the metrics of the last validation."""

    @hookspec
    def run_failed(self, trainer: Trainer, error: BaseException) -> None:
        """After an exception, before it goes on to the caller."""


class UnknownHookError(PluginError):
    """A listener has a hook, or an argument of one, that does not exist."""


class Listeners:
    """Objects with ``@hookimpl`` methods, each called by itself.

    Training is worth more than a log, a picture or a tracker: an exception of a listener is reported once for each of
    its hooks, with its name, and the others are told all the same. Only these end the run: an ``EndRun``, which is
    meant to; what is not an ``Exception`` (Ctrl-C, ``SystemExit``); and any exception of ``run_started``, when nothing
    has been computed yet.

    Args:
        listeners: in the order in which they are told; ``@hookimpl(trylast=True)`` comes last.

    Raises:
        UnknownHookError: a listener has a hook of a name or argument that does not exist; the message names the nearest
            hook.
        PluginError: a listener has a hook without ``@hookimpl``, or no hook at all.
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
            f"{described(listener)} failed in {hook}: {type(error).__name__}: {error}; training continues, and "
            "further failures of this hook are not reported"
        )


def _manager(listeners: Iterable[object]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(RunHooks)
    for listener in listeners:
        _register(listener, manager)
        _check_marked(listener, manager)
    return manager


def _register(listener: object, manager: pluggy.PluginManager) -> None:
    try:
        manager.register(listener)
        refuse_unknown_hooks(manager)
    except pluggy.PluginValidationError as error:
        said, name = " ".join(str(error).split()), described(listener)
        raise UnknownHookError(re.sub(r"[Pp]lugin '\d+'", lambda _: name, said)) from None


def _check_marked(listener: object, manager: pluggy.PluginManager) -> None:
    """Refuses what would never be called: a hook without its mark, or an object without hooks.

    Raises:
        PluginError: names the listener, the methods and the mark.
    """
    if isclass(listener):
        raise PluginError(f"{listener.__name__} is a class; give an object of it: {listener.__name__}()")
    heard = {caller.name for caller in manager.get_hookcallers(listener) or []}
    hooks = [name for name, value in vars(RunHooks).items() if callable(value)]
    unmarked = [name for name in hooks if callable(getattr(listener, name, None)) and name not in heard]
    if unmarked:
        raise PluginError(
            f"{described(listener)}: {', '.join(unmarked)} would never be called; mark each hook with "
            f"@hookimpl (from upt_core import hookimpl)"
        )
    if not heard:
        raise PluginError(
            f"{described(listener)} implements no hook; give an object with methods that are marked with @hookimpl "
            f"and named after a hook: {', '.join(hooks)}"
        )


def _forget_output() -> None:
    """Nobody reads the output any more (``| head`` has ended): from now on it goes nowhere, without an error."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


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
