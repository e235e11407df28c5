"""Picture: example predictions beside what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from upt_core.report.fields import colours_of, draw_arrows, draw_field, height_of, range_of, shown_points, slice_note
from upt_core.report.lines import draw_lines
from upt_core.report.load import Array, Examples, RunData
from upt_core.report.quantities import Quantity, inputs_of, targets_of
from upt_core.report.style import ERROR_MAP, SIGNED_MAP, Theme, colour_bar, panels

MAX_ROWS = 6


def caption(run: RunData) -> str:
    """What is shown."""
    examples = run.examples
    if examples is None:
        return ""
    steps = examples.target.shape[1]
    split, weights = ("test", "best checkpoint") if examples.final else ("validation", "recent weights")
    chosen = f"{_chosen(examples.roles)} of the {split} split, by relative L2 error" * bool(examples.roles)
    time = f" {steps} time steps are predicted from each input; the plots show the last." if steps > 1 else ""
    quantities = targets_of(examples)
    shown = {quantity for _, quantity in rows_of(examples)}
    hidden = sum(len(quantity.channels) for quantity in quantities if quantity not in shown)
    part = f" {hidden} further channels are not shown." if hidden > 0 else ""
    arrows = any(quantity.is_vector for quantity in shown)
    vectors = " Vectors: colours show their length, arrows their direction; the error is the length of the difference."
    note = f" Shown: {slice_note(examples)}." if slice_note(examples) else ""
    axes = f" {examples.view}" * (examples.num_axes > 1)
    signed = " Fields of both signs: white is 0." if _any_signed(examples) else ""
    which = chosen or f"Samples of the {split} split"
    return f"{which}; {weights}, physical units.{time}{axes}{note}{part}{vectors * arrows}{signed}"


def _any_signed(examples: Examples) -> bool:
    """Whether a picture, not a line, shows a field of both signs."""
    if examples.num_axes > 1:
        found = (panel for index, quantity in rows_of(examples) for panel in _panels(examples, index, quantity, " "))
        return any(panel.colours[0] == SIGNED_MAP for panel in found)
    if examples.target.shape[1] < 2:
        return False
    shown = ((index, quantity.channels[0]) for index, quantity in rows_of(examples))
    values = ([of[index, ..., channel] for of in (examples.target, examples.prediction)] for index, channel in shown)
    return any(colours_of(pair)[0] == SIGNED_MAP for pair in values)


def _chosen(roles: Sequence[str]) -> str:
    """The samples that are shown, in words."""
    if len(roles) == 1:
        return "The only sample"
    named = {"good": "a good", "median": "a median", "worst": "the worst"}
    first, last = ", ".join(named.get(role, role) for role in roles[:-1]), "".join(roles[-1:])
    return f"{first} and {named.get(last, last)} sample".capitalize()


def rows_of(examples: Examples) -> list[tuple[int, Quantity]]:
    """(example, target) of each row: the first quantity of three examples, then others of the worst."""
    count, (first, *others) = min(3, len(examples.target)), targets_of(examples)
    return [*((k, first) for k in range(count)), *((count - 1, other) for other in others)][:MAX_ROWS]


def input_of(examples: Examples, quantity: Quantity) -> Quantity:
    """The input that belongs to a target: the same field, else the first input."""
    inputs = inputs_of(examples)
    return next((given for given in inputs if given.name == quantity.name), inputs[0])


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Input, target, prediction and error of each example; None before the end of a run."""
    if run.examples is None:
        return None
    if run.examples.num_axes == 1:
        rows = [(index, quantity.channels[0]) for index, quantity in rows_of(run.examples)]
        return draw_lines(run.examples, rows, theme)
    return _images(run.examples, rows_of(run.examples), theme)


def _images(examples: Examples, rows: Sequence[tuple[int, Quantity]], theme: Theme) -> Figure:
    fig, axes = panels(theme, len(rows), 4, 10, height_of(examples.view, examples.extent, 1.9, 2.1))
    newline = "\n" if theme.narrow else " "  # a long title would meet the colour bar
    for row, (index, quantity) in zip(axes, rows, strict=True):
        for ax, panel in zip(row, _panels(examples, index, quantity, newline), strict=True):
            cmap, limits = panel.colours
            colours = draw_field(ax, panel.where, index, panel.value_N, limits, cmap)
            if panel.arrow_N2 is not None:
                shown = shown_points(panel.where, index)
                coords_MX = panel.where.places[index, shown]
                draw_arrows(ax, examples.view, coords_MX, panel.arrow_N2[shown], limits[1])
            ax.set_title(panel.title, fontsize=8 if theme.narrow else 10)
            if not panel.title.startswith("target") or theme.narrow:  # the prediction has the same colours
                colour_bar(ax, colours)
            ax.label_outer()
            ax.tick_params(labelsize=8)
    return fig


@dataclass(frozen=True, eq=False)
class _Panel:
    """One picture of a row: what is drawn, at whose points, in which colours, and arrows over it."""

    title: str
    value_N: Array
    where: Examples
    colours: tuple[str, tuple[float, float]]
    arrow_N2: Array | None = None


def _panels(examples: Examples, index: int, quantity: Quantity, newline: str) -> Iterator[_Panel]:
    inputs, source, length = examples.of_inputs(), input_of(examples, quantity), int(examples.lengths[index])
    given_NC, target_NC, prediction_NC = (
        value[index] for value in (examples.input, examples.target[:, -1], examples.prediction[:, -1])
    )
    given_N, target_N, prediction_N = source.of(given_NC), quantity.of(target_NC), quantity.of(prediction_NC)
    error_N = quantity.error(prediction_NC, target_NC)
    own = colours_of([given_N[: int(inputs.lengths[index])]], source.is_vector)
    shared = colours_of([target_N[:length], prediction_N[:length]], quantity.is_vector)
    title = f"{examples.place(index)}:{newline}input {source.title}"
    yield _Panel(title, given_N, inputs, own, source.components(given_NC))
    yield _Panel(f"target {quantity.title}", target_N, examples, shared, quantity.components(target_NC))
    yield _Panel(f"prediction {quantity.title}", prediction_N, examples, shared, quantity.components(prediction_NC))
    yield _Panel(f"|error| {quantity.name}", error_N, examples, (ERROR_MAP, (0.0, range_of([error_N[:length]])[1])))
