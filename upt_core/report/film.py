"""The rollout as a film: truth, prediction and error at each time step, with a slider, inside the page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib.image
import numpy as np

from upt_core.report.fields import colours_of, inside_slice, range_of
from upt_core.report.load import Array, Examples
from upt_core.report.quantities import Quantity, targets_of
from upt_core.report.style import ERROR_MAP

MAX_FRAMES, MAX_QUANTITIES = 16, 2
WIDTH, HEIGHT = 600, 220
"""Of the pictures of lines, in their own units."""
_LARGEST = 96
"""Pixels along a side of a picture of scattered points, at most."""

Frame = dict[str, str]


def film(examples: Examples | None, number: int = 0) -> str:
    """The section of the page; empty where there are not several time steps.

    Args:
        number: of the film on the page.
    """
    if examples is None or examples.target.shape[1] < 2:
        return ""
    shots = [
        _shot(examples, index, quantity)
        for index in range(len(examples.target))
        for quantity in targets_of(examples)[:MAX_QUANTITIES]
    ]
    times = _times(examples)
    options = "".join(f"<option value={k}>{escape(shot['title'])}</option>" for k, shot in enumerate(shots))
    content = json.dumps({"times": [int(time) + 1 for time in times], "shots": shots}).replace("</", "<\\/")
    return _SECTION.format(
        number=number, last=len(times) - 1, options=options, content=content, panels=_panels(examples.num_axes)
    )


def _times(examples: Examples) -> Array:
    steps = examples.target.shape[1]
    return np.unique(np.linspace(0, steps - 1, min(steps, MAX_FRAMES)).round().astype(int))


def _panels(num_axes: int) -> str:
    if num_axes == 1:
        lines = (("truth (whole line) and prediction (dashed)", ("truth", "prediction")), ("error", ("error",)))
        return "".join(
            f"<figure><figcaption>{title} <span></span></figcaption>"
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{title}">'
            + "".join(f'<path class="{name}" data-name="{name}"/>' for name in names)
            + "</svg></figure>"
            for title, names in lines
        )
    return "".join(
        f"<figure><figcaption>{name} <span></span></figcaption>"
        f'<img alt="{name}" data-name="{name}"><img class="bar" alt="" data-name="{name} bar"></figure>'
        for name in ("truth", "prediction", "error")
    )


def _shot(examples: Examples, index: int, quantity: Quantity) -> dict[str, Any]:
    """Title, ranges and frames of one example and quantity."""
    length, times = int(examples.lengths[index]), _times(examples)
    target_TNC, prediction_TNC = (value[index][times][:, :length] for value in (examples.target, examples.prediction))
    target, prediction = quantity.of(target_TNC), quantity.of(prediction_TNC)
    error = quantity.error(prediction_TNC, target_TNC)
    title = f"{examples.place(index)}: {quantity.title}"
    make = _lines if examples.num_axes == 1 else _images
    frames, bars = make(examples, index, (target, prediction, error))
    low, high = range_of([target, prediction])
    ranges = [f"{low:.3g} … {high:.3g}".replace("-", "−"), f"0 … {range_of([error])[1]:.3g}"]
    if examples.num_axes > 1:
        ranges = [ranges[0], *ranges]
    return {"title": title, "ranges": ranges, "frames": frames, "bars": bars}


def _lines(examples: Examples, index: int, values: Sequence[Array]) -> tuple[list[Frame], Frame]:
    x = examples.coords[index, : values[0].shape[1], 0]
    order = np.argsort(x, kind="stable")
    target, prediction, error = (value[:, order] for value in values)
    shared, own = range_of([target, prediction]), (0.0, range_of([error])[1])
    frames = [
        {
            "truth": _path(x[order], target[k], shared),
            "prediction": _path(x[order], prediction[k], shared),
            "error": _path(x[order], error[k], own),
        }
        for k in range(len(target))
    ]
    return frames, {}


def _path(x: Array, y: Array, limits: tuple[float, float]) -> str:
    low, high = limits
    across = x * WIDTH
    up = HEIGHT - 6 - (np.nan_to_num(y, nan=low) - low) / (high - low) * (HEIGHT - 12)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, up, strict=True))


def _images(examples: Examples, index: int, values: Sequence[Array]) -> tuple[list[Frame], Frame]:
    target, prediction, error = values
    cmap, limits = colours_of([target, prediction])
    looks = {
        "truth": (target, cmap, limits),
        "prediction": (prediction, cmap, limits),
        "error": (error, ERROR_MAP, (0.0, range_of([error])[1])),
    }
    frames = [
        {name: _png(_raster(examples, index, value[k]), how, span) for name, (value, how, span) in looks.items()}
        for k in range(len(target))
    ]
    ramp = np.linspace(0, 1, 64)[None]
    return frames, {f"{name} bar": _png(ramp, how, (0.0, 1.0)) for name, (_, how, _) in looks.items()}


def _raster(examples: Examples, index: int, value_N: Array) -> Array:
    """Rows from the top of the picture down; means over the points of each pixel, empty ones not a number."""
    if examples.grid_shape:
        image = value_N.reshape(examples.grid_shape)
        image = image[:, :, image.shape[2] // 2] if image.ndim == 3 else image
        rows = examples.view.rows(image)
        return np.asarray(rows if examples.view.down else rows[::-1])
    coords_NX = examples.coords[index, : len(value_N)]
    inside = inside_slice(coords_NX)
    size = int(np.clip(np.sqrt(inside.sum()) / 1.5, 4, _LARGEST))
    place = np.clip((examples.view.of(coords_NX)[inside] * size).astype(int), 0, size - 1)
    row = place[:, 1] if examples.view.down else size - 1 - place[:, 1]
    flat = row * size + place[:, 0]
    count = np.bincount(flat, minlength=size * size)
    total = np.bincount(flat, weights=value_N[inside], minlength=size * size)
    mean = np.divide(total, count, out=np.full(size * size, np.nan), where=count > 0)
    return np.asarray(mean.reshape(size, size))


def _png(image: Array, cmap: str, limits: tuple[float, float]) -> str:
    file = io.BytesIO()
    matplotlib.image.imsave(file, np.ma.masked_invalid(image), cmap=cmap, vmin=limits[0], vmax=limits[1], format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


_SECTION = """<section class="film" data-film="{number}"><h2>Rollout</h2>
<p class="controls"><label>Sample <select>{options}</select></label>
<button type="button" aria-pressed="false">Play</button>
<label>Time step <output>1</output> <input type="range" min="0" max="{last}" value="{last}" step="1"></label></p>
<div class="panels">{panels}</div>
<noscript><p>The film needs JavaScript; the plots below show the last time step.</p></noscript>
<script type="application/json">{content}</script></section>"""

SCRIPT = """
for (const section of document.querySelectorAll(".film")) {
  const film = JSON.parse(section.querySelector("script").textContent);
  const [choice, slider, button, shown] = ["select", "input", "button", "output"].map(n => section.querySelector(n));
  const spans = section.querySelectorAll("figcaption span");
  let timer = null;
  const show = () => {
    const shot = film.shots[choice.value], frame = {...shot.frames[slider.value], ...shot.bars};
    for (const part of section.querySelectorAll("[data-name]"))
      part.setAttribute(part.tagName === "IMG" ? "src" : "d", frame[part.dataset.name]);
    spans.forEach((span, k) => { span.textContent = shot.ranges[k]; });
    shown.textContent = film.times[slider.value];
    slider.setAttribute("aria-valuetext", "time step " + film.times[slider.value]);
  };
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; button.ariaPressed = "false"; };
  const next = () => { slider.value = (Number(slider.value) + 1) % film.times.length; show(); };
  button.addEventListener("click", () => {
    if (timer) return stop();
    timer = setInterval(next, 500); button.textContent = "Pause"; button.ariaPressed = "true";
  });
  slider.addEventListener("input", () => { stop(); show(); });
  choice.addEventListener("change", show);
  show();
}
"""
