"""Picture: energy over wave numbers of truth, prediction and error, on grids."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from upt_core.report.load import Array, Examples, RunData
from upt_core.report.quantities import targets_of
from upt_core.report.style import Theme, panels

MAX_QUANTITIES = 3
CAPTION = (
    "Mean square of the Fourier coefficients over whole wave numbers, mean over the examples at the last time step. "
    "Where the error reaches the truth, the model does not resolve that scale. In domains that are not periodic, "
    "energy leaks to high wave numbers."
)


def draw(run: RunData, theme: Theme) -> Figure | None:
    """One panel a channel or vector; None for scattered points and grids that are too small."""
    examples = run.examples
    if examples is None or not examples.grid_shape or min(examples.grid_shape) < 8:
        return None
    shown = targets_of(examples)[:MAX_QUANTITIES]
    fig, axes = panels(theme, 1, len(shown), min(10.0, 4.8 * len(shown)), 2.7)
    for quantity, ax in zip(shown, axes[0], strict=True):
        target, prediction = (
            value[:, -1][..., list(quantity.channels)] for value in (examples.target, examples.prediction)
        )
        for label, value, style, color in (
            ("truth", target, "-", theme.ink),
            ("prediction", prediction, "--", "C1"),
            ("error", prediction - target, ":", "C0"),
        ):
            number, energy = _spectrum(examples, value)
            ax.plot(number, np.maximum(energy, 1e-30), style, color=color, label=label)
        ax.set(xscale="log", yscale="log", xlabel="wave number", title=f"spectrum of {quantity.name}")
        _limit(ax, examples, target)
    axes[0, 0].legend(loc="best")
    return fig


def _limit(ax: object, examples: Examples, target: Array) -> None:
    """Twelve decades below the largest at most: less is rounding."""
    top = float(_spectrum(examples, target)[1].max())
    if top > 0:
        ax.set_ylim(bottom=max(ax.get_ylim()[0], top * 1e-12))  # type: ignore[attr-defined]


def _spectrum(examples: Examples, value_BNC: Array) -> tuple[Array, Array]:
    """Whole wave numbers from 1 on and the energy of each shell, of all channels together, mean over examples."""
    shape, axes = examples.grid_shape, range(1, 1 + len(examples.grid_shape))
    coefficient = np.fft.fftn(value_BNC.reshape(len(value_BNC), *shape, -1), axes=axes) / np.prod(shape)
    waves = np.meshgrid(*[np.fft.fftfreq(size, 1 / size) for size in shape], indexing="ij")
    shell = np.sqrt(sum(wave**2 for wave in waves)).round().astype(int).ravel()
    energy = (np.abs(coefficient) ** 2).mean(0).sum(-1).ravel()
    largest = min(shape) // 2
    total = np.bincount(shell, weights=energy, minlength=largest + 1)
    return np.arange(1, largest + 1), total[1 : largest + 1]
