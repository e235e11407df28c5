"""What the shell completes: files, keys that a configuration sets, names of plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem


def config_then_keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A file first; then ``key.path=`` for each key that the configuration sets."""
    given = [*(context.params.get("arguments") or ()), context.params.get("config")]
    configs = [str(value) for value in given if value and "=" not in str(value)]
    if not configs:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(f"{key}=") for key in _keys_of(configs[0]) if key.startswith(incomplete)]


def input_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, wherever a word is not an override."""
    return [] if "=" in incomplete else [CompletionItem(incomplete, type="file")]


def plugin_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the plugins that are installed, of the kind that was typed where one was."""
    from upt_core.registry.discovery import installed

    wanted = context.params.get("kind")
    names = {name for kind, name in installed().entries if wanted in (None, kind)}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _keys_of(path: str) -> list[str]:
    from upt_core.config.document import read_any
    from upt_core.errors import UserError
    from upt_core.registry.discovery import installed

    try:
        document, _ = read_any(path, (), installed())
    except (UserError, OSError):
        return []  # the command itself says what is wrong with the file; a half-typed line is not the place
    return list(_flat(document.data))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"
