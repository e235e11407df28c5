"""``upt init``: a first configuration, with the schema that lets an editor complete and check it."""

from __future__ import annotations

from pathlib import Path

import click

from upt_core.cli.config import schema_text
from upt_core.cli.files import write, write_new
from upt_core.wording import typed


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("experiment.yaml"))
@click.option(
    "--from", "--example", "source", metavar="NAME", help="Start from this configuration of upt, e.g. burgers."
)
def init(file: Path, source: str | None) -> None:
    """Write a commented configuration to FILE (experiment.yaml), with a JSON Schema for editors.

    For your own files, upt data init FILES writes a configuration that suits them.

    An existing schema is written again, because it belongs to the installation.
    """
    from upt_core.config.starter import SCHEMA_FILE, shipped, starter
    from upt_core.registry.discovery import installed

    text = starter(installed()) if source is None else shipped(source)
    write_new(file, text)
    schema = file.parent / SCHEMA_FILE
    write(schema, schema_text())
    click.echo(f"{file}: the experiment")
    click.echo(f"{schema}: with it, editors with a YAML language server complete and check the experiment")
    click.echo(f"\nnext: upt check {typed(file)}\n      upt train {typed(file)}")
