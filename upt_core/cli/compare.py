"""``upt compare``: what several runs have different, and how well each did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upt_core.cli.text import heading, table
from upt_core.figures import number

if TYPE_CHECKING:
    from upt_core.report.compare import Comparison
    from upt_core.report.compare.runs import Table


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="PNG of the validation curves in one plot; default: compare.png, or none with --json.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path),
    help="Self-contained page of the comparison; default: compare.html, or none with --json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(runs: tuple[Path, ...], plot: Path | None, page: Path | None, as_json: bool) -> None:
    """Show the differences of several runs, and their metrics side by side.

    Runs may have different lengths, be running, or be interrupted.

    \b
    upt compare runs/sweep/trial-0003 runs/sweep/trial-0007 --plot both.png
    """
    from upt_core.report.compare import compare as compared

    found = compared(runs)
    picture = _picture(found, plot or (None if as_json else Path("compare.png")))
    written = _page(found, page or (None if as_json else Path("compare.html")))
    if as_json:
        click.echo(json.dumps({**found.plain(), "plot": picture, "page": written}, indent=2))
        return
    click.echo("\n\n".join(_sections(found)))
    places = [[name, place] for name, place in (("picture", picture), ("page", written)) if place is not None]
    click.echo(f"\n{table(places)}")


def _sections(found: Comparison) -> list[str]:
    sections = [heading("Runs") + "\n" + table([list(row) for row in zip(*_named(found), found.states, strict=True)])]
    tables = (
        ("Configuration, where it differs", found.config, "the configurations are the same"),
        ("Versions and machines, where they differ", found.versions, "the versions are the same"),
        ("Test split, best checkpoint", _with_dashes(found.metrics), "no run is finished"),
        ("Validation split, last validation", _with_dashes(found.last), "no validation has taken place"),
    )
    sections += [_section(title, rows, found.names, none) for title, rows, none in tables]
    sections[1:1] = _over_seeds(found)
    if any(found.best):
        sections.insert(-1, heading("Validation split, best") + "\n" + _best(found))
    return sections


def _named(found: Comparison) -> list[list[str]]:
    """The columns that name runs: the short names, and the whole ones where these differ."""
    return [found.names] if found.names == found.titles else [found.names, found.titles]


def _over_seeds(found: Comparison) -> list[str]:
    from upt_core.report.compare import groups, seed_rows, verdict

    made = groups(found)
    if not made or not found.metrics:
        return []
    head, body = seed_rows(found, made)
    lines = [heading("Test split over seeds: mean [lowest, highest]"), table(body, head)]
    return ["\n".join(lines), verdict(found)[1]] if len(made) > 1 else ["\n".join(lines)]


def _with_dashes(rows: Table) -> Table:
    return {key: ["–" if value is None else value for value in values] for key, values in rows.items()}


def _section(title: str, rows: Table, names: Sequence[str], none: str) -> str:
    if not rows:
        return f"{heading(title)}\n{none}"
    return heading(title) + "\n" + table([[key, *map(_cell, values)] for key, values in rows.items()], ["", *names])


def _best(found: Comparison) -> str:
    rows = []
    for name, best in zip(found.names, found.best, strict=True):
        if best is None or best["value"] is None:
            rows.append([name, "–", "", ""])
        else:
            rows.append([name, best["metric"], number(best["value"]), f"epoch {best['epoch']}"])
    return table(rows, right=[2])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _page(found: Comparison, path: Path | None) -> str | None:
    if path is None:
        return None
    from upt_core.report.compare import write_page

    return write_page(found, path).resolve().as_uri()


def _picture(found: Comparison, path: Path | None) -> str | None:
    if path is None:
        return None
    from upt_core.report.compare import write_curves

    written = write_curves(found.runs, found.names, path)
    return None if written is None else str(written)
