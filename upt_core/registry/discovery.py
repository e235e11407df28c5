"""Entry points → registry. A broken plugin is reported, never fatal, never silent."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import pluggy

from upt_core.errors import PluginError
from upt_core.registry.entry_points import Point, entry_points
from upt_core.registry.hookspecs import PROJECT, RegistrationHooks, refuse_unknown_hooks
from upt_core.registry.names import KINDS, BrokenPlugin, Distribution, Entry, Extension, Kind, Registry, Role

GROUP = "upt_core"
HOOKS: dict[Kind, str] = {kind: f"register_{'losses' if kind == 'loss' else kind + 's'}" for kind in KINDS}
EXTENSION_HOOKS: dict[Role, str] = {"command": "register_commands", "converter": "register_converters"}
_MACHINERY = ("<frozen importlib", "importlib/", "importlib\\", "pluggy/", "pluggy\\")
"""Parts of file names that say nothing about where a plugin is broken."""


@lru_cache(maxsize=1)
def installed() -> Registry:
    """The registry of this installation: every entry point of the group ``upt_core``."""
    return load(entry_points(group=GROUP))


def load(points: Iterable[Point]) -> Registry:
    """A registry from entry points. Each is loaded on its own, so that one that fails leaves the others alone."""
    registry, manager = Registry(), _manager()
    owned = [(_distribution(point), point) for point in points]
    for distribution, point in sorted(owned, key=lambda pair: (pair[0].name, pair[1].name)):
        try:
            register_module(registry, point.load(), distribution, manager)
        except (Exception, SystemExit) as error:  # a stranger's import may raise anything
            manager = _manager()  # what was refused may be in the old one
            registry.broken.append(BrokenPlugin(point.name, distribution, _cause(error)))
    return registry


def register_module(
    registry: Registry, module: Any, distribution: Distribution, manager: pluggy.PluginManager | None = None
) -> None:
    """Calls the registration hooks of one plugin: a module, or any object with ``@hookimpl`` methods.

    All of its names are registered, or none.

    Args:
        manager: without plugins, before and after; None: a new one, and each costs as much as a plugin.

    Raises:
        PluginError: a name or class that cannot be registered, or a hook without its mark.
    """
    manager = manager or _manager()
    manager.register(module)  # alone: with the others, nothing would tell whose name it is
    refuse_unknown_hooks(manager)
    found = {caller.name for caller in manager.get_hookcallers(module) or ()}
    hooks = [*HOOKS.values(), *EXTENSION_HOOKS.values()]
    unmarked = [hook for hook in hooks if hasattr(module, hook) and hook not in found]
    if unmarked:
        raise PluginError(f"{', '.join(unmarked)} is not marked with @hookimpl, so it would never be called; mark it")
    entries: list[Entry] = []
    for kind, hook in HOOKS.items():
        getattr(manager.hook, hook)(register=_collector(entries, kind, distribution))
    extensions: list[Extension] = []
    for role, hook in EXTENSION_HOOKS.items():
        getattr(manager.hook, hook)(register=_extender(extensions, role, distribution))
    manager.unregister(module)
    for entry in entries:
        registry.register(entry)
    for extension in extensions:
        registry.extend(extension)


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(RegistrationHooks)
    return manager


def _collector(entries: list[Entry], kind: Kind, distribution: Distribution) -> Any:
    def register(name: str, target: type | str) -> None:
        entries.append(Entry(kind, name, target, distribution))

    return register


def _extender(extensions: list[Extension], role: Role, distribution: Distribution) -> Any:
    def register(name: str, target: Any) -> None:
        extensions.append(Extension(role, name, target, distribution))

    return register


def _distribution(point: Point) -> Distribution:
    if point.dist is None:
        return Distribution("unknown", "0")
    return Distribution(str(point.dist.name or "unknown"), str(point.dist.version or "0"))


def _cause(error: BaseException) -> str:
    """The error and the last line of the plugin's own code on the way to it."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    import traceback  # nothing else needs it before help is shown

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    own = [frame for frame in frames if frame.filename != __file__]
    return f"{said} ({own[-1].filename}:{own[-1].lineno})" if own else said


def _is_machinery(file: str) -> bool:
    return any(part in file for part in _MACHINERY)
