"""Checks commands of ``upt``, and converters of foreign configurations; for their authors' own tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from click.testing import CliRunner

from upt_core.config.document import Converter, Document
from upt_core.testing.failure import require


def check_command(command: Any) -> None:
    """Raises unless something is a command that people can find their way in, with every command below it.

    Checked are: a ``click`` command or group, as ``register_commands`` takes it; a first line for the list of commands;
    words for each option; ``--help`` that ends well. What it does is for its own tests.

    Args:
        command: what is registered.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require(
        isinstance(command, click.Command),
        "click",
        f"{command!r}",
        "a click command or group",
        "decorate the function with @click.command(), and register the result",
    )
    for name, each in _with_those_below(command, command.name or "the command"):
        require(
            bool((each.help or "").strip()),
            "help",
            f"{name} has no help",
            "a sentence that says what it does, which upt --help lists",
            "begin the function's docstring with it",
        )
        bare = [part.name for part in each.params if isinstance(part, click.Option) and not part.help]
        require(
            not bare,
            "options",
            f"{', '.join(map(str, bare))} of {name} without help",
            "a line for each option",
            'give it one: @click.option(…, help="…")',
        )
    shown = CliRunner().invoke(command, ["--help"])
    require(
        shown.exit_code == 0,
        "--help",
        f"exit code {shown.exit_code}: {shown.exception!r}",
        "the help, and exit code 0",
        "compute nothing before the command is called, and leave --help to click",
    )


def check_converter(converter: Any) -> None:
    """Raises unless something is a converter that leaves alone what is not of its system.

    Args:
        converter: what is registered: an ``upt_core.commands.Converter``.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require(
        isinstance(converter, Converter),
        "methods",
        f"{converter!r}",
        "an object with the methods recognises, recognises_override and convert",
        "register an object of the class, not the class; see upt_core.commands.Converter",
    )
    require(
        not converter.recognises(Document({})),
        "recognises",
        "an empty document counts as a file of its system",
        "True only if a key shows that the file belongs to the other system; every file that is not fully in upt's "
        "form is passed to it",
        "look for keys that only the other system has",
    )


def _with_those_below(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for own, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from _with_those_below(below, f"{name} {own}")
