"""Small pieces of HTML for notebooks: no scripts, no colours of their own, every text escaped.

Colours and font are those of the page around, so that a light and a dark notebook both show them well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "padding:0.1em 1.2em 0.1em 0;border:none;vertical-align:top"
_NAME = f"{_CELL};text-align:left;font-weight:normal;opacity:0.7;white-space:nowrap"
_TEXT = f"{_CELL};text-align:left;max-width:50em;overflow-wrap:anywhere;white-space:normal"
_FIGURE = f"{_CELL};text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
_TABLE = "border-collapse:collapse;border:none;margin:0.2em 0"


def block(title: str, *parts: str) -> str:
    """A title, and parts that are HTML already."""
    return f"<div><div><strong>{escape(title)}</strong></div>{''.join(parts)}</div>"


def line(text: str) -> str:
    """A paragraph."""
    return f'<div style="margin:0.2em 0">{escape(text)}</div>'


def folded(title: str, content: str) -> str:
    """Content that shows when its title is clicked; ``content`` is HTML already."""
    return f'<details><summary style="cursor:pointer;opacity:0.7">{escape(title)}</summary>{content}</details>'


def described(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and what is said of each; a row without a name goes on with the one above."""
    body = "".join(
        f'<tr style="background:none"><th scope="row" style="{_NAME}">{escape(name)}</th>'
        f'<td style="{_TEXT}">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f'<table style="{_TABLE}"><tbody>{body}</tbody></table>'


def figures(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers under a header; the first cell of a row is its name."""
    head = "".join(
        f'<th scope="col" style="{_NAME if n == 0 else _FIGURE}">{escape(h)}</th>' for n, h in enumerate(header)
    )
    body = "".join(
        f'<tr style="background:none"><th scope="row" style="{_NAME}">{escape(name)}</th>'
        + "".join(f'<td style="{_FIGURE}">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def bar(share: float, label: str) -> str:
    """How much of something is done, as a bar.

    Args:
        share: from 0 to 1.
        label: what it is, for who cannot see it.
    """
    percent = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    return (
        f'<div role="img" aria-label="{escape(label)}: {percent}" style="width:24em;max-width:100%;height:0.45em;'
        f'margin:0.3em 0;border:1px solid;border-radius:0.2em;opacity:0.7">'
        f'<div style="width:{percent};height:100%;background:currentColor"></div></div>'
    )
