"""``upt plugins``: what is installed, and one plugin in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from upt_core.cli.completion import plugin_names
from upt_core.cli.plugins_doctor import doctor
from upt_core.cli.plugins_new import new
from upt_core.cli.shadowed import never_run, own_names, shadowed
from upt_core.cli.text import MIN_LAST_COLUMN, fold, heading, shortened, style, table, terminal_width
from upt_core.registry import KINDS

if TYPE_CHECKING:
    from upt_core.registry import Entry, Extension, Kind, Registry


@click.group(invoke_without_command=True)
@click.option("--kind", type=click.Choice(KINDS), help="List only this kind.")
@click.pass_context
def plugins(ctx: click.Context, kind: Kind | None) -> None:
    """List every plugin: kind, name, distribution, version, summary; then commands and converters."""
    if ctx.invoked_subcommand is not None:
        return
    from upt_core.registry.discovery import installed

    registry = installed()
    rows = [_row(entry) for entry in _entries(registry, kind)]
    click.echo(_fitted(rows))
    for line in [*([] if kind else _extensions(registry)), *_warnings(registry)]:
        click.echo(fold(line))


@plugins.command()
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("name", shell_complete=plugin_names)
def show(kind: Kind, name: str) -> None:
    """Print a plugin's parameters, documentation and source.

    KIND is one of: dataset, sampler, encoder, approximator, decoder, loss, schedule, metric, optimizer, callback.

    \b
    upt plugins show sampler stratified
    """
    from upt_core.cli.plugin_page import page
    from upt_core.registry.discovery import installed

    click.echo_via_pager(page(installed().find(kind, name)))


plugins.add_command(doctor)
plugins.add_command(new)


def _entries(registry: Registry, kind: Kind | None) -> list[Entry]:
    """All claims, by kind and name."""
    keys = sorted(registry.entries, key=lambda key: (KINDS.index(key[0]), key[1]))
    return [entry for key in keys if kind in (None, key[0]) for entry in registry.entries[key]]


def _row(entry: Entry) -> list[str]:
    from upt_core.cli.summary import summary

    return [entry.kind, entry.name, entry.distribution.name, entry.distribution.version, summary(entry)]


def _fitted(rows: list[list[str]]) -> str:
    """The table; in a terminal, summaries are cut to its width."""
    header = ["KIND", "NAME", "DISTRIBUTION", "VERSION", "SUMMARY"]
    if not rows:
        return "no plugins"
    width, gap = terminal_width(), 2
    if width is not None:
        taken = sum(max(len(row[i]) for row in [header, *rows]) + gap for i in range(4))
        rest = width - taken
        rows = rows if rest < MIN_LAST_COLUMN else [[*row[:4], shortened(row[4], rest)] for row in rows]
    return table(rows, header, gap=gap)


def _extensions(registry: Registry) -> list[str]:
    """Commands and converters that distributions bring; YAML does not name them."""
    found = [claim for _, claims in sorted(registry.extensions.items()) for claim in claims]
    rows = [[each.kind, each.name, each.distribution.name, each.distribution.version] for each in found]
    return ["", table(rows, ["ROLE", "NAME", "DISTRIBUTION", "VERSION"], gap=2)] if rows else []


def _warnings(registry: Registry) -> list[str]:
    """Plugins that could not be loaded, and names that two distributions claim."""
    lines = []
    if registry.broken:
        lines.append("\n" + style("Broken", fg="red", bold=True) + " (only runs that name one of them stop)")
        lines += [f"  {b.entry_point} of {b.distribution}: {b.cause}" for b in registry.broken]
    twice: list[Sequence[Entry | Extension]] = [
        *registry.conflicts(),
        *(claims for claims in registry.extensions.values() if len(claims) > 1),
    ]
    if twice:
        lines.append("\n" + heading("Claimed twice") + " (neither can be used until one is uninstalled)")
        for claims in twice:
            who = " and ".join(str(claim.distribution) for claim in claims)
            lines.append(f"  {claims[0].kind} {claims[0].name!r}: {who}")
    hidden = shadowed(own_names(), registry)
    if hidden:
        lines += ["\n" + heading("Never run"), *(f"  {never_run(each)}" for each in hidden)]
    return lines
