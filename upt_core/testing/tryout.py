"""Tries plugins in a process of their own: import, schema, construction, kit.

What the author declares about a plugin stands in two class attributes, both optional: ``check_options`` are arguments
of the kit of its kind, such as ``{"distinct": False}`` of a sampler that may draw a point twice; ``check_arguments``
are arguments of the constructor to try it with, for parameters without a default.

``python -m upt_core.testing.tryout KIND NAME [KIND NAME …]`` prints one JSON object a line, as it goes;
``upt_core.registry.doctor`` starts it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import torch

from upt_core import testing
from upt_core.config.schema import PluginConfig, plugin_model
from upt_core.config.signature import REQUIRED, RUNTIME_KINDS
from upt_core.errors import PluginError
from upt_core.registry import Entry, Kind, Registry, Role
from upt_core.registry.discovery import GROUP, load
from upt_core.registry.doctor import WITHOUT
from upt_core.specs import DataSpec, LatentSpec
from upt_core.testing.installed import require_plain_text

MARK = "upt-tryout "
"""Begins each line of results; what plugins print themselves does not."""

_LENIENT: dict[Kind, dict[str, Any]] = {"sampler": {"growth": 2.0}}
"""What the doctor does not ask for without the author's declaration."""


def try_plugin(registry: Registry, kind: Kind | Role, name: str) -> dict[str, Any]:
    """What became of one plugin: {"kind", "name", "import_s", "state", "message"}.

    The states: "ok", "partly" (sound, but its kit needs arguments), "refused" (by its kit), "broken" (cannot be used).
    """
    result: dict[str, Any] = {"kind": kind, "name": name, "import_s": 0.0}
    if kind == "command" or kind == "converter":
        return result | _extension(registry, kind, name)
    try:
        entry = registry.find(kind, name)
        start = time.perf_counter()
        entry.load()
        result["import_s"] = time.perf_counter() - start
        model = plugin_model(entry)
    except PluginError as error:
        return result | {"state": "broken", "message": str(error)}
    return result | _kit(entry, model)


def _kit(entry: Entry, model: type[PluginConfig]) -> dict[str, str]:
    cls = entry.load()
    arguments = dict(getattr(cls, "check_arguments", {}))
    required = [parameter.name for parameter in model.signature.parameters if parameter.default is REQUIRED]
    needed = [name for name in required if name not in arguments]
    if needed:
        cure = "give it one in the class attribute check_arguments"
        return {"state": "partly", "message": f"the kit was not run: {', '.join(needed)} has no default; {cure}"}
    try:
        require_plain_text(entry)
        config = model.model_validate(arguments)
        options = {**_LENIENT.get(entry.kind, {}), **getattr(cls, "check_options", {})}
        _check(entry.kind)(_subject(entry.kind, config), **options)
    except testing.ConformanceError as refusal:
        return {"state": "refused", "message": str(refusal)}
    except Exception as error:  # a stranger's code may raise anything
        return {"state": "broken", "message": f"{type(error).__name__}: {error}"}
    return {"state": "ok", "message": ""}


def _extension(registry: Registry, role: Role, name: str) -> dict[str, Any]:
    """What became of a command or a converter."""
    start = time.perf_counter()
    try:
        extension = registry.extension(role, name)
        assert extension is not None, "the doctor examines what is registered"
        target = extension.load()
        import_s = time.perf_counter() - start
        _check(role)(target)
    except PluginError as error:
        return {"state": "broken", "message": str(error)}
    except testing.ConformanceError as refusal:
        return {"state": "refused", "message": str(refusal)}
    except Exception as error:  # a stranger's code may raise anything
        return {"state": "broken", "message": f"{type(error).__name__}: {error}"}
    return {"state": "ok", "message": "", "import_s": import_s}


def _check(kind: Kind | Role) -> Callable[..., None]:
    check: Callable[..., None] = getattr(testing, f"check_{kind}")
    return check


def _subject(kind: Kind, config: PluginConfig) -> Any:
    """What the kit of a kind is given: a plugin by its defaults, or a function that makes a model part."""
    if kind in RUNTIME_KINDS:
        return lambda data, latent: config.build({DataSpec: data, LatentSpec: latent})
    return config.build()


def main(words: list[str]) -> None:
    """Tries the plugins named; what they print goes to the error stream."""
    torch.set_num_threads(1)
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        without = os.environ.get(WITHOUT, "").split()
        registry = load(point for point in entry_points(group=GROUP) if point.name not in without)
        for kind, name in zip(words[::2], words[1::2], strict=True):
            found = try_plugin(registry, kind, name)  # type: ignore[arg-type]
            print(MARK + json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
