"""One self-contained page of several runs: which did best and by how much, how they learned, and what differs."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from upt_core.errors import UserError
from upt_core.figures import count, number
from upt_core.report.compare.curves import draw
from upt_core.report.compare.runs import Comparison, Table
from upt_core.report.compare.seeds import groups, over_seeds
from upt_core.report.compare.seeds import rows as seed_rows
from upt_core.report.style import ALL_THEMES, Theme
from upt_core.report.template import CSS
from upt_core.report.text import breakable, picture, shown, titled_table

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{css}
h3 {{ font-size: 1rem; margin: 1.25rem 0 0.5rem; overflow-wrap: anywhere; }}
.differences td {{ min-width: 8rem; max-width: 24rem; }}
.differences thead th {{ color: var(--ink); }}
</style>
</head>
<body><main>
<h1>{title}</h1>
<p class="status">{status}</p>
<section>{verdict}{runs}</section>
{seeds}<section>{results}</section>
{curves}
{differences}
{examples}
{versions}
</main></body>
</html>
"""

EXAMPLES = "predictions"
"""Picture of each run's report that is shown here, too."""


def write_page(found: Comparison, path: Path) -> Path:
    """Writes the page; its path.

    Raises:
        UserError: the file cannot be written.
    """
    sense, words = verdict(found)
    text = PAGE.format(
        css=CSS,
        title=f"{len(found.runs)} runs side by side",
        status=breakable(shown(", ".join(found.titles))),
        verdict=f'<p class="verdict {sense}">{breakable(shown(words))}</p>' + _remark(found),
        runs=_runs(found, path),
        seeds=_seeds(found),
        results=_numbers("Test split, best checkpoint", found.metrics, found)
        or "<p>No run is finished. The test split is evaluated at the end of a run.</p>",
        curves=_curves(found),
        differences=_differences("Configuration, where it differs", found.config, found.names),
        examples=_examples(found),
        versions=_differences("Versions and machines, where they differ", found.versions, found.names),
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: the page cannot be written: {error.strerror}; name another file with --page"
        ) from error
    return path


def verdict(found: Comparison) -> tuple[str, str]:
    """Which run is best by the metric that chose the first one's checkpoint, and by how much: sense, and words.

    Of runs with several seeds: which configuration is best on average.
    """
    first = found.runs[0]
    lower = bool(first.description.get("lower_is_better", True))
    of_seeds = over_seeds(found, groups(found), first.monitor, lower)
    if of_seeds is not None:
        return of_seeds
    values = found.metrics.get(first.monitor, [])
    known = [(value, name) for value, name in zip(values, found.names, strict=False) if value is not None]
    if len(known) < 2:
        return "unknown", f"Fewer than two runs have measured {first.monitor} on the test split."
    (best, name), (second, other), *_ = sorted(known, reverse=not lower)
    if best == second:
        return "even", f"{name} and {other} have the same {first.monitor} on the test split, {number(best)}."
    extreme, side = ("lowest", "below") if lower else ("highest", "above")
    return "better", (
        f"{name} has the {extreme} {first.monitor} on the test split, {number(best)}: {_apart(best, second)}{side} "
        f"{other} ({number(second)})."
    )


def _apart(best: float, second: float) -> str:
    """How far two errors, or two scores, are apart, in words that stand before "below" or "above"."""
    low, high = sorted((best, second))
    if low <= 0:
        return ""
    factor, part = high / low, abs(second - best) / abs(second)
    if factor < 2:
        return f"{100 * part:.3g} % "
    return f"by a factor of {factor:.3g} " if factor < 1000 else f"by a factor of {count(round(factor))} "


def _remark(found: Comparison) -> str:
    """That errors on other data do not compare."""
    other = [key for key in found.config if key.partition(".")[0] == "data" or ".data." in key]
    if not other:
        return ""
    return f"<p>{shown(f'The runs have different data ({other[0]} differs): their errors may not compare.')}</p>"


def _runs(found: Comparison, path: Path) -> str:
    rows = "".join(
        f"<tr><th scope=row>{_link(run.folder / 'index.html', name, path)}</th>{_whole(name, title)}"
        f"<td>{shown(state)}</td></tr>"
        for run, name, title, state in zip(found.runs, found.names, found.titles, found.states, strict=True)
    )
    return f'<div class="wide"><table class="facts">{rows}</table></div>'


def _whole(name: str, title: str) -> str:
    """A cell with the whole name where the table has a shorter one."""
    return "" if name == title else f"<td>{breakable(shown(title))}</td>"


def _link(report: Path, name: str, page: Path) -> str:
    """The run's name, which leads to its own report where it has one."""
    words = breakable(shown(name))
    if not report.is_file():
        return words
    where = os.path.relpath(report.resolve(), page.resolve().parent)
    return f'<a href="{escape(where)}">{words}</a>'


def _seeds(found: Comparison) -> str:
    """A row for each configuration: mean, lowest and highest over its seeds."""
    made = groups(found)
    if not made or not found.metrics:
        return ""
    head, body = seed_rows(found, made)
    cells = {row[0]: row[1:] for row in body}
    return f"<section>{titled_table('Over seeds: mean [lowest, highest]', head[1:], cells)}</section>"


def _numbers(title: str, rows: Table, found: Comparison) -> str:
    """A run a row, a metric a column; the deciding metric first."""
    if not rows:
        return ""
    monitor = found.runs[0].monitor
    metrics = sorted(rows, key=lambda name: name != monitor)
    cells = {
        name: ["–" if rows[metric][i] is None else number(rows[metric][i]) for metric in metrics]
        for i, name in enumerate(found.names)
    }
    return titled_table(title, metrics, cells)


def _differences(title: str, rows: Table, names: Sequence[str]) -> str:
    if not rows:
        return ""
    cells = {key: [value if isinstance(value, str) else _plain(value) for value in own] for key, own in rows.items()}
    return f"<section>{titled_table(title, names, cells, 'facts differences')}</section>"


def _plain(value: Any) -> str:
    return number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _curves(found: Comparison) -> str:
    drawn = {theme.suffix: _drawn(found, theme) for theme in ALL_THEMES}
    if any(value is None for value in drawn.values()):
        return ""
    caption = "Metrics on the validation split over the epochs, for each run."
    return f"<section><h2>Validation</h2>{picture(lambda theme: drawn[theme.suffix] or '', caption)}</section>"


def _drawn(found: Comparison, theme: Theme) -> str | None:
    with theme.applied():
        figure = draw(found.runs, found.names, theme)
        if figure is None:
            return None
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
    return _uri(stream.getvalue())


def _examples(found: Comparison) -> str:
    """The example predictions of each run's report, below each other."""
    shown_runs = []
    for run, name in zip(found.runs, found.names, strict=True):
        files = {theme.suffix: run.folder / "plots" / f"{EXAMPLES}{theme.suffix}.png" for theme in ALL_THEMES}
        if all(file.is_file() for file in files.values()):
            shown_runs.append(f"<h3>{breakable(shown(name))}</h3>{_kept(files, f'Examples of {name}.')}")
    return f"<section><h2>Example predictions</h2>{''.join(shown_runs)}</section>" if shown_runs else ""


def _kept(files: dict[str, Path], caption: str) -> str:
    return picture(lambda theme: _uri(files[theme.suffix].read_bytes()), caption)


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
