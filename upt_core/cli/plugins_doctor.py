"""``upt plugins doctor``: tries plugins in processes of their own and reports what it found."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from upt_core.cli.completion import plugin_names
from upt_core.cli.shadowed import never_run, own_names, shadowed
from upt_core.cli.text import fold, indent, style
from upt_core.registry import KINDS, ROLES, Extension, Kind, Role

LOOK = {"ok": "green", "partly": "yellow", "refused": "red", "broken": "red"}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=plugin_names)
@click.option("--kind", type=click.Choice((*KINDS, *ROLES)), help="Examine only this kind.")
@click.option("--third-party", is_flag=True, help="Leave out upt's own plugins; upt's tests run the same kits.")
def doctor(names: tuple[str, ...], kind: Kind | Role | None, third_party: bool) -> None:
    """Import each plugin in a separate process, and run the kit of its kind on its defaults.

    Commands and converters are examined, too.

    Exit code 1 if a plugin is broken or refused by its kit.

    \b
    upt plugins doctor halton
    """
    from importlib.metadata import entry_points  # late, as all that help does not need

    from upt_core.errors import UserError
    from upt_core.registry import doctor as examiner
    from upt_core.registry.discovery import GROUP, load

    points, dead = examiner.survivors(entry_points(group=GROUP))
    registry = load(points)
    entries = examiner.chosen(registry, names, kind)
    unknown = sorted(set(names) - {entry.name for entry in entries})
    if unknown:
        raise UserError(
            f"no plugin{f' of kind {kind}' if kind else ''} is called {' or '.join(map(repr, unknown))}; "
            f"upt plugins lists all names"
        )
    if third_party:
        entries = [entry for entry in entries if entry.distribution.name != examiner.OWN]
    wrong, hidden = 0, shadowed(own_names(), registry)
    for finding in examiner.examine(entries, without=[plugin.entry_point for plugin in dead]):
        if isinstance(finding.entry, Extension) and finding.entry in hidden:
            finding = replace(finding, state="refused", message=never_run(finding.entry))
        wrong += finding.state in ("broken", "refused")
        state = style(f"{finding.state:8}", fg=LOOK[finding.state])
        click.echo(f"{state} {finding.entry}, imported in {finding.import_s:.2f} s")
        if finding.message:
            click.echo(fold(indent(finding.message, 9), hang=0))
    for plugin in [] if names else [*dead, *registry.broken]:
        wrong += 1
        click.echo(f"{style('broken  ', fg=LOOK['broken'])} {plugin}")
    click.echo(f"{len(entries)} examined, {wrong} wrong")
    sys.exit(1 if wrong else 0)
