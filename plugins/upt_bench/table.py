"""The benchmark's figures as tables: in the terminal, and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from upt_bench.results import Figure, Results


def shown(value: float) -> str:
    """Three significant digits, without an exponent: 0.061, 2.35, 41.2, 5,930."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def goal(figure: Figure) -> str:
    """≤ or ≥ the goal; a dash where there is none."""
    if figure.goal is None:
        return "–"
    return f"{'≤' if figure.better == 'at most' else '≥'} {shown(figure.goal)}{_unit(figure)}"


def reached(figure: Figure) -> str:
    """yes, no, or a dash."""
    return {True: "yes", False: "no", None: "–"}[figure.reached]


def measured(figure: Figure) -> str:
    """The number, its standard error where that is known, and the unit."""
    error = f" ± {figure.noise * abs(figure.measured):.2g}" if figure.noise else ""
    return f"{shown(figure.measured)}{error}{_unit(figure)}"


def print_figures(results: Results, console: Console, title: str) -> None:
    """The table in the terminal."""
    table = Table("figure", "goal", "measured", "reached", title=title, show_lines=False)
    for column in table.columns[1:]:
        column.no_wrap = True
    looks = {"yes": "[green]yes[/]", "no": "[red]no[/]"}
    for figure in results.figures:
        text = figure.text + (f"\n[dim]{figure.detail}[/]" if figure.detail else "")
        table.add_row(text, goal(figure), measured(figure), looks.get(reached(figure), reached(figure)))
    console.print(table)


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table of a page."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figures_markdown(results: Results) -> str:
    """All figures with their goals."""
    rows = [
        [figure.text, goal(figure), f"**{measured(figure)}**", reached(figure), figure.detail]
        for figure in results.figures
    ]
    return markdown(["figure", "goal", "measured", "reached", "how"], rows)


def pivot(rows: list[dict[str, Any]], across: str, by: list[str], value: str) -> tuple[list[str], list[list[str]]]:
    """Rows of plain values as a table: one line for each combination of ``by``, one column for each of ``across``.

    Numbers are shown with three digits, text as it is.
    """
    columns = list(dict.fromkeys(str(row[across]) for row in rows))
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        key = tuple(f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in by)
        lines.setdefault(key, {})[str(row[across])] = row[value] if isinstance(row[value], str) else shown(row[value])
    return [*by, *columns], [[*key, *(found.get(name, "–") for name in columns)] for key, found in lines.items()]


def curve(name: str, across: str, by: list[str], value: str, factor: float = 1.0) -> Callable[[Results], str]:
    """What makes a table of the rows of a curve, a value times a factor."""

    def table(results: Results) -> str:
        rows: list[dict[str, Any]] = [row | {value: factor * row[value]} for row in results.curves[name]]
        return markdown(*pivot(rows, across, by, value))

    return table


def _unit(figure: Figure) -> str:
    return {"": "", "×": " ×", "%": " %"}.get(figure.unit, figure.unit)
