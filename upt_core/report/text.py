"""Text of the pages: where a line may break and where it may not, and pictures that follow the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

from upt_core.report.style import ALL_THEMES, Theme

UNITS = "%|s|min|h|MiB|GiB"
MEDIA = {
    "-narrow-dark": "(max-width: 40rem) and (prefers-color-scheme: dark)",
    "-narrow": "(max-width: 40rem)",
    "-dark": "(prefers-color-scheme: dark)",
}
"""Suffix of a theme → where it is shown; the first that fits is taken, and the light one elsewhere."""


def unbroken(text: str) -> str:
    """Text in which no line breaks between a number and its unit, as in 89 %, or in 64 × 64."""
    inside = rf"(?<=\d) (?=(?:{UNITS})(?!\w)|× \d)|(?<=\d ×) (?=\d)"
    return re.sub(inside, "\N{NO-BREAK SPACE}", text)


def breakable(escaped: str) -> str:
    """Escaped text whose long words break after one of ``/ = _`` rather than anywhere."""
    return re.sub(r"\S{24,}", lambda word: re.sub(r"(?<=\w[/=_])(?=\w)", "<wbr>", word[0]), escaped)


def shown(text: str) -> str:
    """Text for a page: escaped, and broken where a reader would."""
    return escape(unbroken(text))


def titled_table(
    title: str,
    head: Sequence[str],
    rows: Mapping[str, Sequence[str]],
    look: str = "results",
    looks: Mapping[str, str] | None = None,
) -> str:
    """A heading, and a table that scrolls by itself where the page is narrow.

    Args:
        head: names of the columns.
        rows: name of a row → its cells.
        look: class of the table.
        looks: name of a row or a column → its class.
    """
    looks = looks or {}
    columns = [_cell("th", name, looks.get(name)) for name in head]
    body = "".join(
        f"<tr{_class(looks.get(name))}>{_cell('th scope=row', name)}"
        + "".join(_cell("td", value, looks.get(column)) for value, column in zip(values, head, strict=True))
        + "</tr>"
        for name, values in rows.items()
    )
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table class="{look}">'
        f"<thead><tr><td></td>{''.join(columns)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(tag: str, text: str, look: str | None = None) -> str:
    return f"<{tag}{_class(look)}>{breakable(shown(text))}</{tag.partition(' ')[0]}>"


def _class(look: str | None) -> str:
    return f" class={look}" if look else ""


def picture(source: Callable[[Theme], str], caption: str, width: int | None = None) -> str:
    """A picture with its caption, in the look that suits the page.

    Args:
        source: look → what stands in ``src``.
        caption: also for who cannot see the picture.
        width: on a wide page, in CSS pixels; None: the picture's own.
    """
    found = {theme.suffix: escape(source(theme)) for theme in ALL_THEMES}
    others = "\n".join(f'<source media="{media}" srcset="{found[suffix]}">' for suffix, media in MEDIA.items())
    size = f' width="{width}"' if width else ""
    words = shown(caption)
    return f"""<figure><picture>
{others}
<img{size} src="{found[""]}" alt="{words}"></picture>
<figcaption>{words}</figcaption></figure>"""
