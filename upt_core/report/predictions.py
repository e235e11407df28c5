"""Picture: example predictions beside what is true."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from upt_core.report.fields import colours_of, draw_field, range_of, slice_note
from upt_core.report.lines import draw_lines
from upt_core.report.load import Array, Examples, RunData
from upt_core.report.style import ERROR_MAP, Theme, panels

MAX_ROWS = 4


def caption(run: RunData) -> str:
    """What is shown."""
    examples = run.examples
    if examples is None:
        return ""
    steps = examples.target.shape[1]
    split, weights = ("test", "best checkpoint") if examples.final else ("validation", "weights of a short while ago")
    chosen = f"A good, a median and the worst sample of the {split} split, by relative L2 error" * bool(examples.roles)
    time = f" {steps} time steps are predicted from each input; pictures show the last." if steps > 1 else ""
    hidden = len(examples.target_names) - len({channel for _, channel in rows_of(examples)})
    part = f" {hidden} more channels are not shown." if hidden > 0 else ""
    note = f" Shown: {slice_note(examples)}." if slice_note(examples) else ""
    signed = " Fields of both signs: white is 0." if examples.num_axes > 1 or steps > 1 else ""
    return f"{chosen or f'Samples of the {split} split'}; {weights}, physical units.{time}{note}{part}{signed}"


def rows_of(examples: Examples) -> list[tuple[int, int]]:
    """(example, target channel) of each row: the first channel of three examples, then others of the worst."""
    count, channels = min(3, len(examples.target)), len(examples.target_names)
    return [*((k, 0) for k in range(count)), *((count - 1, channel) for channel in range(1, channels))][:MAX_ROWS]


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
    return _images(run.examples, rows_of(run.examples), theme)


def _images(examples: Examples, rows: Sequence[tuple[int, int]], theme: Theme) -> Figure:
    fig, axes = panels(theme, len(rows), 4, 10, 2.1)
    newline = "\n" if theme.narrow else " "  # a long title would meet the colour bar
    for row, (index, channel) in zip(axes, rows, strict=True):
        name, place = examples.target_names[channel], examples.place(index)
        source, given = input_of(examples, index, channel)
        target, prediction = examples.target[index, -1, :, channel], examples.prediction[index, -1, :, channel]
        length, inputs = int(examples.lengths[index]), examples.of_inputs()
        shared = colours_of([target[:length], prediction[:length]])
        own = colours_of([given[: int(inputs.lengths[index])]])
        error = abs(prediction - target)
        drawn = (
            (f"{place}:{newline}input {source}", given, own),
            (f"target {name}", target, shared),
            (f"prediction {name}", prediction, shared),
            (f"|error| {name}", error, (ERROR_MAP, (0.0, range_of([error[:length]])[1]))),
        )
        for ax, (title, value, (cmap, limits)) in zip(row, drawn, strict=True):
            colours = draw_field(ax, inputs if value is given else examples, index, value, limits, cmap)
            ax.set_title(title, fontsize=8 if theme.narrow else 10)
            if not title.startswith("target") or theme.narrow:  # the prediction has the same colours
                beside = row[1:3].tolist() if title.startswith("prediction") and not theme.narrow else ax
                fig.colorbar(colours, ax=beside, shrink=0.85, pad=0.02).locator = MaxNLocator(5)
            ax.label_outer()
            ax.tick_params(labelsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("x")
    for ax in axes[:, 0]:
        ax.set_ylabel("y")
    return fig
