"""Plain text for terminals and pipes: aligned tables, colour that can be switched off."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from upt_core.figures import number

MIN_LAST_COLUMN = 20
"""Characters that the last column of a folded table keeps; with less, rows become lists."""


def style(text: str, **look: Any) -> str:
    """Coloured text; ``click.echo`` removes the colour where output is no terminal, NO_COLOR switches it off."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **look)


def heading(text: str) -> str:
    """A bold line."""
    return style(text, bold=True)


def indent(text: str, by: int) -> str:
    """Every line moved to the right."""
    return textwrap.indent(text, " " * by)


def table(
    rows: Sequence[Sequence[str]],
    header: Sequence[str] = (),
    right: Sequence[int] = (),
    gap: int = 3,
    width: int | None = None,
) -> str:
    """Rows as aligned columns; where a terminal is too narrow for them, folded without breaking a word.

    Args:
        rows: of cells, all rows equally long.
        header: names of the columns.
        right: numbers of the columns that are aligned at the right.
        gap: blanks between columns.
        width: columns of text at most; those of the terminal, or any number where output goes elsewhere.
    """
    lines = [header, *rows] if header else list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    room = width or terminal_width()
    if room and sum(widths) + gap * (len(widths) - 1) > room:
        before = sum(widths[:-1]) + gap * (len(widths) - 1)
        if header and room - before < MIN_LAST_COLUMN:
            return _blocks(rows, header, room)
        rest = max(room - before, MIN_LAST_COLUMN)
        lines = [part for line in lines for part in _wrapped(line, rest)]
        widths[-1] = rest
    texts = [
        (" " * gap)
        .join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        .rstrip()
        for line in lines
    ]
    if header:
        texts[0] = heading(texts[0])
    return "\n".join(texts)


def fold(text: str, width: int | None = None, hang: int = 2) -> str:
    """Text whose lines break between words where the terminal is too narrow for them.

    Args:
        width: columns at most; those of the terminal, or any number where output goes elsewhere.
        hang: blanks before what goes on in a further line.
    """
    room = width or terminal_width()
    if not room:
        return text
    return "\n".join("\n".join(_folded(line, room, hang)) for line in text.splitlines())


def fold_figures(line: str, width: int) -> str:
    """A line of figures with two blanks between them, folded there; one too long for a line at commas.

    A name, its value and its unit stay together.
    """
    parts = [
        re.sub(r"(?<=[^,;]) " if len(part) > width - 2 else " ", "\N{NO-BREAK SPACE}", part)
        for part in line.split("  ")
    ]
    return "\n".join(_folded("  ".join(parts), width, 2)).replace("\N{NO-BREAK SPACE}", " ")


def _folded(line: str, width: int, hang: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indented = " " * (len(line) - len(line.lstrip()) + hang)
    return textwrap.wrap(
        line, width, subsequent_indent=indented, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def _wrapped(line: Sequence[str], width: int) -> list[list[str]]:
    """A row whose last cell goes on in rows that are empty otherwise."""
    parts = textwrap.wrap(line[-1], width, break_long_words=False, break_on_hyphens=False) or [""]
    return [[*line[:-1], parts[0]], *([""] * (len(line) - 1) + [part] for part in parts[1:])]


def _blocks(rows: Sequence[Sequence[str]], header: Sequence[str], width: int) -> str:
    """Each row as a list of its own: its first cell, and under it a line for each other column."""
    blocks = [heading(header[0])] if " " in header[0] else []  # a title; NAME and the like say nothing here
    for row in rows:
        cells = [(name, cell) for name, cell in zip(header[1:], row[1:], strict=True) if cell]
        blocks.append(heading(row[0]) + "\n" + indent(table(cells, gap=2, width=width - 2), 2) if cells else row[0])
    return "\n".join(blocks)


def shortened(text: str, width: int) -> str:
    """Text of at most ``width`` characters."""
    return text if len(text) <= width else text[: max(0, width - 1)].rstrip() + "…"


def of_notebook() -> bool:
    """Whether a notebook's cell started this process (``!upt train …``).

    It gives a pseudo-terminal, but shows what comes as a text that grows: a cursor that moves up writes lines anew.
    Every kernel sets this variable for what it starts.
    """
    return "backend_inline" in os.environ.get("MPLBACKEND", "")


def terminal_width() -> int | None:
    """Columns of the terminal; None where output goes elsewhere and nothing should be cut off."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def results_table(predictors: dict[str, dict[str, float]]) -> str:
    """Metrics of the model beside those of the baselines."""
    metrics = list(next(iter(predictors.values())))
    rows = [[name, *(number(values[metric]) for metric in metrics)] for name, values in predictors.items()]
    return table(rows, ["", *metrics], right=range(1, len(metrics) + 1))
