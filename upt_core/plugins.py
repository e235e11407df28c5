"""Entry points → registry. A broken plugin is reported, never fatal, never silent."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from upt_core.hookspecs import PROJECT, RegistrationHooks
from upt_core.registry import KINDS, BrokenPlugin, Distribution, Entry, Kind, Registry

GROUP = "upt_core"
HOOKS: dict[Kind, str] = {kind: f"register_{'losses' if kind == 'loss' else kind + 's'}" for kind in KINDS}


@lru_cache(maxsize=1)
def installed() -> Registry:
    """The registry of this installation: every entry point of the group ``upt_core``."""
    return load(entry_points(group=GROUP))


def load(points: Iterable[EntryPoint]) -> Registry:
    """A registry from entry points. Each is loaded on its own, so that one that fails leaves the others alone."""
    registry = Registry()
    for point in sorted(points, key=lambda point: (_distribution(point).name, point.name)):
        try:
            register_module(registry, point.load(), _distribution(point))
        except Exception as error:  # a stranger's import may raise anything
            registry.broken.append(BrokenPlugin(point.name, _distribution(point), _cause(error)))
    return registry


def register_module(registry: Registry, module: Any, distribution: Distribution) -> None:
    """Calls the registration hooks of one plugin: a module, or any object with ``@hookimpl`` methods."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(RegistrationHooks)
    manager.register(module)
    manager.check_pending()
    for kind, hook in HOOKS.items():
        getattr(manager.hook, hook)(register=partial(_register, registry, kind, distribution))


def _register(registry: Registry, kind: Kind, distribution: Distribution, name: str, target: type | str) -> None:
    registry.register(Entry(kind, name, target, distribution))


def _distribution(point: EntryPoint) -> Distribution:
    if point.dist is None:
        return Distribution("unknown", "0")
    return Distribution(point.dist.name, point.dist.version)


def _cause(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
