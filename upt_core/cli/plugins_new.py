"""``upt plugins new``: a complete plugin package to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.cli.text import heading
from upt_core.registry import KINDS, with_article

if TYPE_CHECKING:
    from upt_core.registry import Kind


@click.command()
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder that gets the package's folder; default: here.",
)
def new(kind: Kind, name: str, output: Path) -> None:
    """Write a plugin package: class, entry point, test, README, CI.

    KIND is one of: dataset, sampler, encoder, approximator, decoder, loss, schedule, metric, optimizer, callback.

    \b
    upt plugins new sampler halton
    """
    from upt_core.cli.scaffold import repaired, write_package
    from upt_core.registry.discovery import installed

    asked, name = name, repaired(name) or name
    if name != asked:
        click.echo(f"{asked!r} is written {name!r}, as names of Python modules are")
    root, *files = write_package(kind, name, output, installed())
    click.echo(f"{with_article(kind).capitalize()} in {root}:")
    for file in files:
        click.echo(f"  {file.relative_to(root)}")
    click.echo(
        f"\n{heading('Next')}\n  cd {root}\n  pip install -e '.[test]'\n  pytest\n  upt plugins show {kind} {name}"
    )
