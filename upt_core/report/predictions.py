"""Picture: example predictions of the test split beside what is true."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from upt_core.report.fields import draw_field, range_of, slice_note
from upt_core.report.lines import draw_lines
from upt_core.report.load import Array, Examples, RunData
from upt_core.report.style import ERROR_MAP, FIELD_MAP, Theme, figure

MAX_ROWS = 3


def caption(run: RunData) -> str:
    """What is shown."""
    examples = run.examples
    if examples is None:
        return ""
    steps = examples.target.shape[1]
    time = f" {steps} time steps are predicted from each input; pictures show the last." if steps > 1 else ""
    hidden = len(examples.target_names) - MAX_ROWS
    part = f" {hidden} more channels are not shown." if hidden > 0 else ""
    note = f" Shown: {slice_note(examples)}." if slice_note(examples) else ""
    return f"Evenly spaced samples of the test split, best checkpoint, in physical units.{time}{note}{part}"


def rows_of(examples: Examples) -> list[tuple[int, int]]:
    """(example, target channel) of each row: every channel of as many examples as there is room for."""
    channels = min(len(examples.target_names), MAX_ROWS)
    count = max(1, min(examples.target.shape[0], MAX_ROWS // channels))
    return [(example, channel) for example in range(count) for channel in range(channels)]


def input_of(examples: Examples, index: int, channel: int) -> tuple[str, Array]:
    """The input channel that belongs to a target channel: the same field, else the first input."""
    name = examples.target_names[channel]
    number = examples.input_names.index(name) if name in examples.input_names else 0
    return examples.input_names[number], examples.input[index, :, number]


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Input, target, prediction and error of each example; None before the end of a run."""
    if run.examples is None:
        return None
    if run.examples.num_axes == 1:
        return draw_lines(run.examples, rows_of(run.examples), theme)
    return _images(run.examples, rows_of(run.examples))


def _images(examples: Examples, rows: Sequence[tuple[int, int]]) -> Figure:
    fig = figure(10, 2.1 * len(rows) + 0.3)
    axes = fig.subplots(len(rows), 4, squeeze=False)
    for row, (index, channel) in zip(axes, rows, strict=True):
        name = examples.target_names[channel]
        source, given = input_of(examples, index, channel)
        target, prediction = examples.target[index, -1, :, channel], examples.prediction[index, -1, :, channel]
        length = int(examples.lengths[index])
        shared = range_of([target[:length], prediction[:length]])
        own = range_of([given[:length]])
        error = abs(prediction - target)
        panels = (
            (f"input {source}", given, own, FIELD_MAP),
            (f"target {name}", target, shared, FIELD_MAP),
            (f"prediction {name}", prediction, shared, FIELD_MAP),
            (f"|error| {name}", error, (0.0, range_of([error[:length]])[1]), ERROR_MAP),
        )
        for ax, (title, value, limits, cmap) in zip(row, panels, strict=True):
            drawn = draw_field(ax, examples, index, value, limits, cmap)
            ax.set_title(title)
            if not title.startswith("target"):  # the prediction has the same colours
                beside = row[1:3].tolist() if title.startswith("prediction") else ax
                fig.colorbar(drawn, ax=beside, shrink=0.85, pad=0.02).locator = MaxNLocator(5)
            ax.label_outer()
    for ax in axes.flat:
        ax.tick_params(labelsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("x")
    for ax in axes[:, 0]:
        ax.set_ylabel("y")
    return fig
