"""How the pictures look: two themes, one palette that colour-blind readers can tell apart, shared axes helpers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator, NullFormatter

from upt_core.report.view import View

FIELD_MAP, ERROR_MAP, SIGNED_MAP = "viridis", "magma", "RdBu_r"
"""Colour maps of fields, of absolute errors, and of fields of both signs: white is 0, red above, blue below."""

NARROW = 4.1
"""Width in inches of pictures for a page of 400 pixels."""


@dataclass(frozen=True)
class Theme:
    """Colours of the pictures in a light or a dark page.

    Args:
        suffix: of the picture's file name.
        background: the page's colour.
        ink: of text, axes and what is true (targets, totals).
        muted: of what is secondary (inputs, baselines, single steps).
        grid: of grid lines.
        cycle: of loss terms and other series: after Okabe and Ito.
        narrow: whether panels stand below each other, for a telephone.
    """

    suffix: str
    background: str
    ink: str
    muted: str
    grid: str
    cycle: tuple[str, ...]
    narrow: bool = False

    def width(self, wanted: float) -> float:
        """Of a picture, in inches."""
        return min(wanted, NARROW) if self.narrow else wanted

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Pictures drawn inside look like this."""
        with mpl.rc_context(self._settings()):
            yield

    def _settings(self) -> Any:
        ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), self.ink)
        lines = dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), self.muted)
        surfaces = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), self.background)
        return {
            **ink,
            **lines,
            **surfaces,
            "axes.prop_cycle": cycler(color=self.cycle),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "grid.color": self.grid,
            "grid.linewidth": 0.7,
            "image.cmap": FIELD_MAP,
            "font.size": 9,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 1.8,
            "lines.solid_capstyle": "round",
        }


LIGHT = Theme(
    "", "#ffffff", "#1d2329", "#8a939c", "#e6e9ec", ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
)
DARK = Theme(
    "-dark",
    "#171b20",
    "#e4e8ec",
    "#818b96",
    "#2b323a",
    ("#5ab4f0", "#f08a4b", "#3cc79b", "#e59ac4", "#f2bb4a", "#9fd8f5"),
)
THEMES = (LIGHT, DARK)
NARROW_THEMES = (
    replace(LIGHT, suffix="-narrow", narrow=True),
    replace(DARK, suffix="-narrow-dark", narrow=True),
)
ALL_THEMES = (*THEMES, *NARROW_THEMES)
"""Each picture of a page has all of them; the browser takes one by the width and the colours of the page."""

DASHES = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Of lines, one after the other, so that nothing is told by colour alone."""

HATCHES = ("", "////", "....", "xxxx", "----", "||||")
"""Of bars on each other."""


DPI = 144
"""Pixels of an inch: half more than a page has, for dense screens and for print."""


def figure(width: float, height: float) -> Figure:
    """An empty picture, in inches, that lays itself out."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def panels(
    theme: Theme, rows: int, columns: int, width: float, height: float, ratios: Sequence[float] | None = None
) -> tuple[Figure, npt.NDArray[np.object_]]:
    """A picture of rows × columns panels; in a narrow one each row is folded. The axes, (rows, columns).

    Args:
        width: of the whole picture, in inches.
        height: of a row.
        ratios: of the columns' widths.
    """
    if not theme.narrow:
        fig = figure(width, height * rows + 0.3)
        return fig, fig.subplots(rows, columns, squeeze=False, width_ratios=ratios)
    across = 2 if columns >= 4 else 1
    down = -(-columns // across)
    fig = figure(NARROW, (height if across == 1 else 0.8 * height) * rows * down + 0.3)
    axes = fig.subplots(rows * down, across, squeeze=False).reshape(rows, down * across)
    for spare in axes[:, columns:].flat:
        spare.set_visible(False)
    return fig, axes[:, :columns]


def of_series(number: int, colours: int = len(LIGHT.cycle)) -> dict[str, Any]:
    """Colour and dashes of a line by its number among the lines of a picture: no two of 30 have both the same.

    Args:
        colours: of the theme.
    """
    again = number // colours
    return {"color": f"C{number % colours}", "linestyle": DASHES[(number + again) % len(DASHES)]}


def colour_bar(ax: Axes, drawn: ScalarMappable) -> Colorbar:
    """Colours and values beside a picture, as high as the picture."""
    figure_of = ax.get_figure()
    assert figure_of is not None
    bar = figure_of.colorbar(drawn, cax=ax.inset_axes((1.04, 0.0, 0.06, 1.0)))
    bar.locator = MaxNLocator(5)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return bar


def unit_box(ax: Axes, view: View) -> None:
    """Few marks along the sides of a box whose length is 1, so that they do not meet those of the next picture."""
    if view.named:
        ax.set(xlabel=view.labels[0], ylabel=view.labels[1])
        view.turn(ax)
    ax.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
    ax.set_yticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])


class _PlainDecades(Formatter):
    """Numbers as they are written elsewhere, 0.2 and not 2 × 10⁻¹; between the powers of ten the fewer the more."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        low, high = self.axis.get_view_interval()  # type: ignore[union-attr]
        decades = math.log10(high / low)
        first = round(x / 10 ** math.floor(math.log10(x) + 1e-9))
        labelled = {1, 2, 3, 4, 6} if decades < 1 else {1, 2, 5} if decades < 2 else {1, 3} if decades < 3 else {1}
        return f"{x:g}" if first in labelled else ""


def log_axis(ax: Axes) -> None:
    """A logarithmic vertical axis; over a few decades its numbers are written out."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    if low >= 1e-4 and high <= 1e4:
        ax.yaxis.set_major_formatter(_PlainDecades())
        ax.yaxis.set_minor_formatter(_PlainDecades())
    else:
        ax.yaxis.set_minor_formatter(NullFormatter())


def epoch_axis(ax: Axes, epochs: float, label: bool = True, nbins: int = 8) -> None:
    """A horizontal axis over the epochs that were trained.

    Args:
        label: whether it is named.
        nbins: numbers along it, at most.
    """
    ax.set_xlim(0, epochs)
    ax.xaxis.set_major_locator(MaxNLocator(nbins, steps=[1, 2, 5, 10], integer=True))
    if label:
        ax.set_xlabel("epoch")


def legend_above(ax: Axes, theme: Theme) -> None:
    """Names of the series in rows above the axes, where they take no width."""
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=2 if theme.narrow else 4,
        borderaxespad=0.3,
        columnspacing=1.4,
    )


def spans_decades(values: Sequence[float], ratio: float = 20.0) -> bool:
    """Whether positive values differ so much that a logarithmic axis shows them better."""
    positive = [value for value in values if value > 0]
    return len(positive) > 0 and max(positive) > ratio * min(positive)
