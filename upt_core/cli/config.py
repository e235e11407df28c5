"""``upt config``: the resolved experiment and its origins, the JSON Schema, files in the old form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.cli.completion import config_then_keys
from upt_core.cli.files import write, write_new
from upt_core.cli.load import read_config
from upt_core.cli.problems import as_json, origin
from upt_core.cli.text import style
from upt_core.wording import typed

if TYPE_CHECKING:
    from upt_core.config.document import Converted
    from upt_core.config.explain import Explained

_PATH = click.Path(path_type=Path)


@click.group()
def config() -> None:
    """Show, describe and convert configurations."""


@config.command()
@click.argument("config", type=_PATH)
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...", shell_complete=config_then_keys)
@click.option("--origin", "origins", is_flag=True, help="One line for each value, with its origin.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def show(config: Path, overrides: tuple[str, ...], origins: bool, json_wanted: bool) -> None:
    """Print the whole experiment: merged from the files that it extends, overrides and defaults."""
    with as_json(json_wanted):
        document = read_config(config, overrides)
        from upt_core.config.explain import explain
        from upt_core.config.quick_check import check_quickly
        from upt_core.config.sections import as_plain
        from upt_core.config.settings import validate
        from upt_core.config.yaml_text import dump_yaml
        from upt_core.registry.discovery import installed

        if document.starts_elsewhere:
            from upt_core.run.start import with_its_model

            document = with_its_model(document)
        else:
            check_quickly(document, installed())
        settings = validate(document, installed())
    if origins:
        explained = explain(document, settings)
        click.echo(_json(explained) if json_wanted else _lines(explained))
    else:
        plain = as_plain(settings)
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False) if json_wanted else dump_yaml(plain), nl=json_wanted)


@config.command()
@click.option("-o", "--output", type=_PATH, help="File to write; default: stdout.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of this installation, including its plugins, for completion and checks in editors."""
    text = schema_text()
    if output is None:
        click.echo(text, nl=False)
    else:
        write(output, text)
        click.echo(f"{output} written; editors complete and check files that begin with this line:")
        click.echo(f"# yaml-language-server: $schema={output}")


@config.command()
@click.argument("old", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="The new file; default: stdout.")
def convert(old: Path, output: Path | None) -> None:
    """Convert a file of another system. The new form of each key is listed on stderr.

    upt train accepts such files directly; this command writes them in the new form. upt knows the form with the
    sections training, latent, operator.pdet and ttc.decoder; distributions can add others.
    """
    from upt_core.config.document import converter_of, read
    from upt_core.config.settings import validate
    from upt_core.registry.discovery import installed

    document = read(old)
    converter = converter_of(document, installed())
    if converter is None:
        raise click.UsageError(
            f"{old} is already a configuration of upt, or is not an experiment; check it with: upt check {typed(old)}"
        )
    converted = converter.convert(document)
    text = _native(converted, old)
    if output is not None:
        write_new(output, text)
    click.echo(f"{converted.report}\n", err=True)
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{output} written; check it with: upt check {typed(output)}", err=True)
    validate(converted.document, installed())  # last: what was converted is there to be corrected


def schema_text() -> str:
    """The JSON Schema as text."""
    from upt_core.config.json_schema import json_schema
    from upt_core.registry.discovery import installed

    return json.dumps(json_schema(installed()), indent=2, ensure_ascii=False) + "\n"


def _native(converted: Converted, old: Path) -> str:
    """The new file; keys that have no counterpart stand in it as comments."""
    from upt_core.config.yaml_text import dump_yaml

    lines = [f"# Converted from {old.name} by upt config convert."]
    lost = [f"#   {line}" for line in converted.lost]
    lines += ["# Keys of the old file that have no counterpart:", *lost] if lost else []
    return "\n".join(lines) + "\n" + dump_yaml(converted.document.data)


def _lines(explained: list[Explained]) -> str:
    """``key.path: value   origin`` in two columns; defaults are dim."""
    from upt_core.wording import shown

    rows = [(f"{_dotted(item)}: {shown(item.value, 100)}", item.origin) for item in explained]
    width = min(60, max(len(value) for value, _ in rows))
    return "\n".join(f"{value.ljust(width)}  {style(place, dim=place == 'default')}" for value, place in rows)


def _dotted(item: Explained) -> str:
    return ".".join(map(str, item.path))


def _json(explained: list[Explained]) -> str:
    values = [
        {"path": list(path), "value": value, "origin": None if place == "default" else origin(place)}
        for path, value, place in explained
    ]
    return json.dumps({"values": values}, indent=2, ensure_ascii=False)
