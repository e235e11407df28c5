"""Commands of distributions that never run, because upt has a command of the same name."""

from __future__ import annotations

from collections.abc import Collection

import click

from upt_core.registry.names import Extension, Registry


def shadowed(own: Collection[str], registry: Registry) -> list[Extension]:
    """Every command of a distribution whose name is one of upt's own.

    Args:
        own: names of upt's own commands.
        registry: what is installed.
    """
    return [
        claim
        for (role, name), claims in sorted(registry.extensions.items())
        for claim in claims
        if role == "command" and name in own
    ]


def own_names() -> Collection[str]:
    """Names of upt's own commands, of the command line that runs now."""
    main = click.get_current_context().find_root().command
    return main.commands if isinstance(main, click.Group) else ()


def never_run(command: Extension) -> str:
    """What is wrong with such a command, and the cure."""
    return (
        f"{command} never runs, because upt has a command of this name; ask its author to register another name, or "
        f"uninstall {command.distribution.name}"
    )
