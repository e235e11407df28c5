"""Checks that a plugin is installed, found by its name, and that YAML can name each of its parameters."""

from __future__ import annotations

from typing import Any

from upt_core.config.schema import outlined_model, plugin_model
from upt_core.config.signature import Signature
from upt_core.errors import PluginError
from upt_core.registry import KINDS, ROLES, Entry, Kind, Role, with_article
from upt_core.registry.discovery import installed
from upt_core.testing.failure import ConformanceError, require

_CURE = (
    "install the package (pip install -e .) and check the entry point in pyproject.toml: "
    "[project.entry-points.upt_core] must name the module with the @hookimpl function"
)


def check_installed(kind: Kind | Role, name: str, cls: Any) -> None:
    """Raises unless a name is registered for a class, by an installed distribution, with a usable signature.

    A command or a converter is registered as the object that it is.

    Args:
        kind: one of ``upt_core.registry.KINDS``, for example "sampler"; or "command", or "converter".
        name: what YAML calls it; of a command, what is typed.
        cls: the class that it must be; of a command or a converter, the object.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    known = (*KINDS, *ROLES)
    require(kind in known, "kind", repr(kind), f"one of {', '.join(known)}", "name the kind in the singular")
    if kind == "command" or kind == "converter":
        _check_extension(kind, name, cls)
        return
    try:
        entry = installed().find(kind, name)
        found = entry.load()
        model = plugin_model(entry)
    except PluginError as error:
        raise ConformanceError(
            "installed",
            str(error),
            f"{with_article(kind)} called {name!r} that can be used",
            _CURE,
        ) from error
    require(
        found is cls,
        "class",
        f"{entry} is {found.__module__}:{found.__qualname__}",
        f"{cls.__module__}:{cls.__qualname__}",
        "check the registered path, and that no older copy of the package is installed",
    )
    require_plain_text(entry)
    bare = [field for field, info in model.model_fields.items() if field != "name" and not info.description]
    require(
        not bare,
        "descriptions",
        f"{', '.join(bare)} of {cls.__name__} is not described",
        "a line in the docstring's Args for each parameter: it becomes the help text",
        "add 'Args:' to the class's docstring, Google style",
    )


def _check_extension(role: Role, name: str, target: Any) -> None:
    try:
        extension = installed().extension(role, name)
        if extension is None:
            known = ", ".join(installed().extensions_of(role)) or "none"
            raise PluginError(f"no {role} is called {name!r}; known: {known}")
        found = extension.load()
    except PluginError as error:
        raise ConformanceError("installed", str(error), f"a {role} called {name!r} that can be used", _CURE) from error
    require(
        found is target,
        "target",
        f"{extension} is {found!r}",
        f"{target!r}",
        "check the registered path, and that no older copy of the package is installed",
    )


def require_plain_text(entry: Entry) -> None:
    """Raises where a plugin's source text declares other parameters than its class: files are checked by the text."""
    text, cls = outlined_model(entry).signature, plugin_model(entry).signature
    require(
        repr(text) == repr(cls),
        "source text",
        f"{entry} declares {_listed(text)} in its source",
        f"the parameters of its class: {_listed(cls)}",
        "make the source declare the constructor that the class has; if code generates it, decorate the class, and "
        "upt reads the class instead",
    )


def _listed(signature: Signature) -> str:
    return ", ".join(f"{each.name}: {each.annotation} = {each.default}" for each in signature.parameters) or "none"
