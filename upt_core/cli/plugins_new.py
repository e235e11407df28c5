"""``upt plugins new``: a complete plugin package to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from upt_core.cli.text import heading
from upt_core.errors import UserError
from upt_core.registry import KINDS, with_article

if TYPE_CHECKING:
    from upt_core.registry import Kind


@click.command()
@click.argument("kind", type=click.Choice((*KINDS, "command")), metavar="KIND")
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder in which to create the package; default: the current folder.",
)
def new(kind: Kind | Literal["command"], name: str, output: Path) -> None:
    """Write a plugin package: class, entry point, test, README, CI.

    KIND is one of: dataset, sampler, encoder, approximator, decoder, loss, schedule, metric, optimizer, callback,
    command.

    \b
    upt plugins new sampler halton
    """
    from upt_core.cli.scaffold import repaired, write_package
    from upt_core.registry.discovery import installed

    asked, name = name, repaired(name) or name
    if name != asked:
        click.echo(f"{asked!r} is written as {name!r}, because it becomes the name of a Python module")
    _refuse_own_command(kind, name)
    root, *files = write_package(kind, name, output, installed())
    click.echo(f"{with_article(kind).capitalize()} in {root}:")
    for file in files:
        click.echo(f"  {file.relative_to(root)}")
    click.echo(f"\n{heading('Next')}\n  cd {root}\n  pip install -e '.[test]'\n  pytest\n  {_look(kind, name)}")


def _look(kind: Kind | Literal["command"], name: str) -> str:
    return f"upt {name.replace('_', '-')} --help" if kind == "command" else f"upt plugins show {kind} {name}"


def _refuse_own_command(kind: Kind | Literal["command"], name: str) -> None:
    """A command that upt has itself would never be asked for: its own come first."""
    root = click.get_current_context().find_root().command
    if kind == "command" and isinstance(root, click.Group) and name.replace("_", "-") in root.commands:
        raise UserError(f"upt itself has a command {name!r}, which has precedence; choose another name")
