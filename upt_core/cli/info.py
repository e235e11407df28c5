"""``upt info``: what a trained operator is, from its file alone; no plugin of its run need be installed."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from upt_core.cli.load import import_torch
from upt_core.cli.text import heading, results_table, style, terminal_width
from upt_core.operator import described


@click.command()
@click.argument("operator", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with one entry for each operator.")
def info(operator: Path, as_json: bool) -> None:
    """Describe an OPERATOR (a run folder, a checkpoint or a file) and its origin."""
    import_torch()
    from upt_core.operator.info import info as found_in

    found = found_in(operator)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False, default=str))
        return
    click.echo("\n\n".join(shown(one, terminal_width()) for one in found))


def shown(found: Mapping[str, Any], width: int | None = None) -> str:
    """Lines of a name and what it is, folded to the terminal."""
    title = found["file"] + (f", task {found['task']}" if found["task"] else "")
    rows = [*described.summary(found), *described.details(found)]
    left = max(len(name) for name, _ in rows) + 2
    lines = [_row(name, text, left, width) for name, text in rows]
    if found["test"]:
        lines += [f"{style('test', dim=True)}\n{textwrap.indent(results_table(found['test']), '  ')}"]
    return "\n".join([heading(title), *lines])


def _row(name: str, text: str, left: int, width: int | None) -> str:
    if width is None:
        return f"{style(name, dim=True)}{' ' * (left - len(name))}{text}"
    folded = textwrap.wrap(text, max(10, width - left)) or [""]
    first = f"{style(name, dim=True)}{' ' * (left - len(name))}{folded[0]}"
    return "\n".join([first, *(" " * left + line for line in folded[1:])])
