"""A vector field is one picture: its length, arrows, and an error that has both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from upt_core import report
from upt_core.report import error_map, load, predictions, spectra
from upt_core.report.quantities import Quantity, quantities_of
from upt_core.report.style import LIGHT

from .conftest import RunMaker

NAMES = ("p", "v[0]", "v[1]", "s[0]", "s[1]", "s[2]")
V = Quantity("v", (1, 2))


def test_as_many_channels_as_axes_are_a_vector() -> None:
    tensor = [Quantity(name, (channel,)) for channel, name in enumerate(NAMES) if name.startswith("s")]
    assert quantities_of(NAMES, 2) == [Quantity("p", (0,)), V, *tensor]
    assert quantities_of(NAMES, 3)[-1] == Quantity("s", (3, 4, 5))
    assert [q.title for q in quantities_of(["v[0]", "v[1]"], 2)] == ["|v|"]
    assert [q.title for q in quantities_of(["u[0]"], 1)] == ["u[0]"], "in one dimension there is no direction"


def test_an_error_of_direction_alone_is_seen() -> None:
    value = np.array([[0.0, 3.0, 4.0], [0.0, 0.0, 2.0]])
    turned = value * [1, -1, 1]
    np.testing.assert_allclose(V.of(value), [5, 2])
    np.testing.assert_allclose(V.error(turned, value), [6, 0])
    assert V.components(value) is not None
    assert Quantity("p", (0,)).components(value) is None
    np.testing.assert_allclose(Quantity("p", (0,)).error(value - 2.0, value), [2, 2])


def title_of(ax: Axes) -> str:
    """Wherever the theme puts it."""
    return ax.get_title(loc="left") or ax.get_title()


def arrows(fig: Figure) -> list[Quiver]:
    return [item for ax in fig.axes for item in ax.collections if isinstance(item, Quiver)]


@pytest.mark.parametrize("shape", [{"grid": (16, 24)}, {"grid": (1, 1), "points": 300}, {"grid": (8, 8, 8)}])
def test_pictures_have_arrows_on_one_scale(make_run: RunMaker, shape: dict[str, Any]) -> None:
    names = ("v[0]", "v[1]", "v[2]")[: len(shape["grid"])]
    run = load.load(make_run(names=(*names, "p"), times=3, **shape))
    fig = predictions.draw(run, LIGHT)
    assert fig is not None
    found = arrows(fig)
    assert len(found) == 3 * 3, "input, target and prediction of three examples; none on errors, none on p"
    titles = [title_of(ax) for ax in fig.axes]
    assert "target |v|" in titles
    assert "|error| v" in titles
    assert not [title for title in titles if "v[" in title]
    assert "arrows their direction" in predictions.caption(run)
    examples = run.examples
    assert examples is not None
    length = int(examples.lengths[0])
    largest = max(
        np.linalg.norm(value[0, -1, :length, : len(names)], axis=-1).max()
        for value in (examples.target, examples.prediction)
    )
    target, prediction = (
        next(ax for ax in fig.axes if title_of(ax) == f"{what} |v|") for what in ("target", "prediction")
    )
    for ax in (target, prediction):
        drawn = (ax.images or ax.collections)[0]
        assert drawn.get_clim() == pytest.approx((0.0, largest))


def test_arrows_point_where_the_vectors_do(make_run: RunMaker) -> None:
    folder = make_run(grid=(14, 14), names=("v[0]", "v[1]"))
    arrays = dict(np.load(folder / "examples.npz"))
    arrays["target"] = np.broadcast_to(np.array([0.0, -2.0]), arrays["target"].shape)
    np.savez(folder / "examples.npz", **arrays)
    fig = predictions.draw(load.load(folder), LIGHT)
    assert fig is not None
    target = arrows(fig)[1]
    assert target.N == 10 * 10
    np.testing.assert_allclose(target.U, 0, atol=1e-12)
    assert (np.asarray(target.V) < 0).all()


def test_errors_spectra_and_films_take_the_components_together(make_run: RunMaker) -> None:
    folder = make_run(grid=(16, 16), names=("v[0]", "v[1]"), times=4)
    run = load.load(folder)
    for module, title in ((error_map, "error of v"), (spectra, "spectrum of v")):
        fig = module.draw(run, LIGHT)
        assert fig is not None
        assert title_of(fig.axes[0]) == title
    text = report.write(folder).read_text()
    content = re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert content is not None
    assert {shot["title"].partition(": ")[2] for shot in json.loads(content[1])["shots"]} == {"|v|"}
    assert matplotlib.image.imread(Path(folder) / "plots" / "predictions.png")[..., :3].std() > 0.03
