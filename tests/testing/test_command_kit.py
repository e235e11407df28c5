"""The kit for commands and converters: upt's own pass, and each thing that it looks at is refused where it is wrong."""

from __future__ import annotations

from typing import Any

import click
import pytest

from upt_core.commands import Converted, Document, installed
from upt_core.testing import ConformanceError, check_command, check_converter, check_installed


@pytest.mark.parametrize("name", installed().extensions_of("command"))
def test_commands_of_built_in_distributions_pass(name: str) -> None:
    check_command(installed().extensions_of("command")[name].load())


@pytest.mark.parametrize("name", installed().extensions_of("converter"))
def test_converters_of_built_in_distributions_pass(name: str) -> None:
    check_converter(installed().extensions_of("converter")[name].load())


@click.command()
def silent() -> None: ...


@click.command()
@click.option("--fast", is_flag=True)
def bare(fast: bool) -> None:
    """Does it."""


@click.group()
def group() -> None:
    """Has something below it."""


group.add_command(silent)


class Failing(click.Command):
    """Its help cannot be made."""

    def get_help(self, ctx: click.Context) -> str:
        raise RuntimeError("no help")


@pytest.mark.parametrize(
    ("command", "check", "seen"),
    [
        (print, "click", "built-in function print"),
        (silent, "help", "silent has no help"),
        (group, "help", "group silent has no help"),
        (bare, "options", "fast of bare without help"),
        (Failing("failing", help="Fails."), "--help", r"exit code 1: RuntimeError\('no help'\)"),
    ],
)
def test_a_wrong_command_is_refused(command: Any, check: str, seen: str) -> None:
    with pytest.raises(ConformanceError, match=seen) as refused:
        check_command(command)
    assert refused.value.check == check


class Greedy:
    """Takes everything for its own."""

    def recognises(self, document: Document) -> bool:
        return True

    def recognises_override(self, text: str) -> bool:
        return True

    def convert(self, document: Document) -> Converted:
        return Converted(document, "")


@pytest.mark.parametrize(
    ("converter", "check", "seen"),
    [(object(), "methods", "object object"), (Greedy(), "recognises", "an empty document counts as a file")],
)
def test_a_wrong_converter_is_refused(converter: Any, check: str, seen: str) -> None:
    with pytest.raises(ConformanceError, match=seen) as refused:
        check_converter(converter)
    assert refused.value.check == check


def test_a_command_is_found_by_its_name() -> None:
    sweep = installed().extensions_of("command")["sweep"].load()
    check_installed("command", "sweep", sweep)
    with pytest.raises(ConformanceError, match="no command is called 'sweeep'; known: bench, data"):
        check_installed("command", "sweeep", sweep)
    with pytest.raises(ConformanceError, match="command 'sweep' of upt-core .* is <Command sweep>"):
        check_installed("command", "sweep", silent)
