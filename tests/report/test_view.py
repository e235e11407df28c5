"""Latitude and y point upwards in every picture of a field, and axes have the names that the data set gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from PIL import Image

from upt_core.operator.answers import Answers
from upt_core.report import error_map, predictions, sampling
from upt_core.report.film import _raster
from upt_core.report.load import Examples, RunData, load
from upt_core.report.predicted import _picture, _shown
from upt_core.report.style import LIGHT
from upt_core.report.view import view_of
from upt_data.commands.picture import draw as draw_data
from upt_data.frames import Frames
from upt_data.npz import Npz

from .conftest import RunMaker
from .conftest import examples as made_up

LAT, LON = 6, 10


@pytest.mark.parametrize(
    ("names", "right", "up"),
    [
        (("lat", "lon"), "lon", "lat"),
        (("lon", "lat"), "lon", "lat"),
        (("latitude", "longitude"), "longitude", "latitude"),
        (("/fields/Lat", "/fields/Lon"), "Lon", "Lat"),
        (("y", "x"), "x", "y"),
        (("x", "y", "z"), "x", "y"),
        (("level", "lat", "lon"), "lat", "level"),
        (("r", "theta"), "r", "theta"),
        (("y", "theta"), "y", "theta"),
        (("x",), "x", "y"),
        ((), "x", "y"),
        (("row", "column"), "column", "row"),
    ],
)
def test_which_axis_points_upwards(names: tuple[str, ...], right: str, up: str) -> None:
    assert view_of(names).labels == (right, up)


def test_the_caption_says_it() -> None:
    assert str(view_of(("lat", "lon"))) == "lon points to the right, lat upwards."
    assert str(view_of(("row", "column"))) == "column points to the right, row downwards."
    assert str(view_of(())) == "The first axis points to the right, the second upwards."


def globe(folder: Path, axes: tuple[str, ...], grid: bool = True, shared: bool = True) -> RunData:
    """A run whose fields rise along the first axis."""
    run = load(folder)
    assert run.examples is not None
    rising = run.examples.coords[:, None, :, :1].astype(float)
    given = replace(run.examples, target=rising, prediction=0.5 * rising, input=rising[:, 0], axes=axes)
    return replace(run, examples=given, densities=[])


def panels(figure: Figure | None) -> list[Axes]:
    assert figure is not None
    return [ax for ax in figure.axes if ax.images or any(isinstance(c, PathCollection) for c in ax.collections)]


@pytest.mark.parametrize("points", [None, 60], ids=["grid", "scattered"])
@pytest.mark.parametrize("picture", [predictions, error_map], ids=["predictions", "error map"])
def test_pictures_of_the_report(make_run: RunMaker, picture: Any, points: int | None) -> None:
    for axes, rises in ((("lat", "lon"), 1), ((), 0)):
        run = globe(make_run(f"run{rises}", grid=(LAT, LON), points=points, names=("u",), times=1), axes)
        (ax, *_) = shown = panels(picture.draw(run, LIGHT))
        assert shown[-1].get_xlabel() == ("lon" if axes else "x")
        assert ax.get_ylabel() == ("lat" if axes else "y")
        if points is None:
            value = np.asarray(ax.images[0].get_array())
            assert value.shape == ((LAT, LON) if axes else (LON, LAT))
            assert (np.diff(value, axis=1 - rises) > 0).all(), "rows go from the bottom up"
        else:
            (dots,) = (found for found in ax.collections if isinstance(found, PathCollection))
            place = np.asarray(dots.get_offsets())[:, rises]
            assert np.corrcoef(place, np.asarray(dots.get_array()))[0, 1] > 0.99
    assert "The first axis points to the right" in predictions.caption(run)


def test_arrows_turn_with_the_axes(make_run: RunMaker) -> None:
    """Component 0 is along axis 0: latitude."""
    folder = make_run(grid=(LAT, LON), names=("v[0]", "v[1]"), times=1)
    run = globe(folder, ("lat", "lon"))
    assert run.examples is not None
    north = np.zeros((*run.examples.target.shape[:3], 2))
    north[..., 0] = 1.0
    examples = replace(run.examples, target=north, prediction=north, input=north[:, 0])
    figure = predictions.draw(replace(run, examples=examples), LIGHT)
    (quiver, *_) = (found for ax in panels(figure) for found in ax.collections if hasattr(found, "U"))
    assert np.allclose(quiver.U, 0)
    assert (np.asarray(quiver.V) > 0).all()


def test_frames_of_the_film(make_run: RunMaker) -> None:
    for points in (None, 400):
        run = globe(make_run(f"run{points}", grid=(LAT, LON), points=points, names=("u",), times=1), ("lat", "lon"))
        assert run.examples is not None
        image = _raster(run.examples, 0, run.examples.target[0, 0, :, 0])
        assert np.nanmean(image[0]) > np.nanmean(image[-1]) + 0.5, "rows from the top down"


def test_where_the_sampler_looked(make_run: RunMaker) -> None:
    run = globe(make_run(grid=(LAT, LON), names=("u",), times=1), ("lat", "lon"))
    density = np.ones((4, 4)) + np.arange(4)[:, None]
    one = {"task": "", "stream": "forward", "epoch": 1, "density": density, "effective_share": 1.0}
    shown = panels(sampling.draw(replace(run, densities=[{k: np.asarray(v) for k, v in one.items()}]), LIGHT))
    for ax in shown:
        value = np.asarray(ax.images[0].get_array())
        assert value[-1].mean() > value[0].mean()
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("lon", "lat")


@pytest.mark.parametrize("grid", [True, False], ids=["grid", "scattered"])
def test_pictures_of_predictions(grid: bool) -> None:
    lat, lon = np.meshgrid(np.linspace(-80, 80, LAT), np.arange(LON) * 36.0, indexing="ij")
    coords = np.stack([lat.ravel(), lon.ravel()], -1)
    value = lat[None] if grid else lat.reshape(1, -1)
    answers = Answers({"u": value}, coords, (LAT, LON) if grid else None, None, axes=("lat", "lon"))
    ax = _picture(answers, _shown(answers), [0]).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lon", "lat")
    (drawn,) = ax.collections
    if grid:
        assert isinstance(drawn, QuadMesh)
        assert (np.diff(np.asarray(drawn.get_array()).reshape(LAT, LON), axis=0) > 0).all()
    else:
        assert np.allclose(np.asarray(drawn.get_offsets())[:, 1], np.asarray(drawn.get_array()))


def test_a_data_set_in_files_names_its_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lat, lon = np.linspace(-80.0, 80.0, LAT), np.arange(LON) * 36.0
    u = np.broadcast_to(lat[:, None], (4, 3, LAT, LON)).copy()
    np.savez(tmp_path / "a.npz", u=u, lat=lat, lon=lon, t=np.arange(3.0))
    data = Npz(path=tmp_path / "a.npz", axes=["lat", "lon"], periodic=[False, True])
    assert data.spec().axes == ("lat", "lon")
    kept: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: kept.append(figure))
    draw_data(data, tmp_path / "a.png")
    ax = kept[0].axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lon", "lat")
    assert (np.diff(np.asarray(ax.images[0].get_array()), axis=0) > 0).all()


def test_examples_without_names_are_read(make_run: RunMaker) -> None:
    """Files of earlier states have none."""
    examples = load(make_run(grid=(4, 4))).examples
    assert isinstance(examples, Examples)
    assert examples.axes == ()
    assert "axes" not in made_up((4, 4), None, True, 1, ("u",))


def test_axes_show_physical_coordinates(make_run: RunMaker) -> None:
    run = globe(make_run(grid=(LAT, LON), names=("u",), times=1), ("lat", "lon"))
    assert run.examples is not None
    examples = replace(run.examples, origin=(-90.0, 0.0), extent=np.array([180.0, 360.0]))
    for picture in (predictions, error_map):
        ax = panels(picture.draw(replace(run, examples=examples), LIGHT))[0]
        assert tuple(ax.images[0].get_extent()) == (0, 360, -90, 90)


def test_a_line_shows_physical_coordinates(make_run: RunMaker) -> None:
    run = load(make_run(grid=(16,), times=3))
    assert run.examples is not None
    run = replace(run, examples=replace(run.examples, origin=(5.0,), axes=("r",)))
    figure, error = predictions.draw(run, LIGHT), error_map.draw(run, LIGHT)
    assert figure is not None
    assert error is not None
    line, image = figure.axes[:2]
    assert tuple(image.images[0].get_extent()[:2]) == (5, 6)
    for ax in (line, error.axes[0]):
        assert 5 < float(np.min(np.asarray(ax.lines[0].get_xdata()))) < 5.1
    assert error.axes[0].get_xlabel() == "r"


def test_components_by_name_turn_arrows(make_run: RunMaker) -> None:
    """A wind [u, v] on axes [lat, lon]: component 0 is along longitude, to the right."""
    run = globe(make_run(grid=(LAT, LON), names=("v[0]", "v[1]"), times=1), ("lat", "lon"))
    assert run.examples is not None
    east = np.zeros((*run.examples.target.shape[:3], 2))
    east[..., 0] = 1.0
    examples = replace(
        run.examples, target=east, prediction=east, input=east[:, 0], target_along=(1, 0), input_along=(1, 0)
    )
    figure = predictions.draw(replace(run, examples=examples), LIGHT)
    (quiver, *_) = (found for ax in panels(figure) for found in ax.collections if hasattr(found, "U"))
    assert (np.asarray(quiver.U) > 0).all()
    assert np.allclose(quiver.V, 0)
    lat, lon = np.meshgrid(np.linspace(-80, 80, LAT), np.arange(LON) * 36.0, indexing="ij")
    coords = np.stack([lat.ravel(), lon.ravel()], -1)
    wind = {"wind": east[:1, 0].reshape(1, LAT, LON, 2)}
    answers = Answers(wind, coords, (LAT, LON), None, axes=("lat", "lon"), along={"wind": (1, 0)})
    (quiver, *_) = (
        found for found in _picture(answers, _shown(answers), [0]).axes[0].collections if hasattr(found, "U")
    )
    assert (np.asarray(quiver.U) > 0).all()


@pytest.mark.parametrize("points", [None, 60], ids=["grid", "scattered"])
@pytest.mark.parametrize("picture", [predictions, error_map], ids=["predictions", "error map"])
def test_images_are_drawn_with_rows_downwards(make_run: RunMaker, picture: Any, points: int | None) -> None:
    run = globe(make_run(grid=(LAT, LON), points=points, names=("u",), times=1), ("row", "column"))
    for ax in panels(picture.draw(run, LIGHT)):
        assert ax.yaxis_inverted()
    assert run.examples is not None
    image = _raster(run.examples, 0, run.examples.target[0, 0, :, 0])
    assert np.nanmean(image[0]) < np.nanmean(image[-1]) - 0.3, "the first row is at the top"


def test_predictions_of_images_have_rows_downwards() -> None:
    row, column = np.meshgrid(np.linspace(0, 1, LAT), np.linspace(0, 1, LON), indexing="ij")
    coords = np.stack([row.ravel(), column.ravel()], -1)
    answers = Answers({"u": row[None]}, coords, (LAT, LON), None, axes=("row", "column"))
    ax = _picture(answers, _shown(answers), [0]).axes[0]
    assert ax.yaxis_inverted()
    assert ax.get_ylabel() == "row"


def test_files_say_which_way_components_point(tmp_path: Path) -> None:
    lat, lon = np.linspace(-80.0, 80.0, LAT), np.arange(LON) * 36.0
    u = np.random.default_rng(0).random((4, 3, LAT, LON))
    np.savez(tmp_path / "a.npz", u10=u, v10=u, lat=lat, lon=lon, t=np.arange(3.0))
    for components, along in ((["u10", "v10"], (1, 0)), (["v10", "u10"], ())):
        vectors = {"wind": components}
        data = Npz(path=tmp_path / "a.npz", inputs=["wind"], vectors=vectors, axes=["lat", "lon"])
        assert data.spec().targets[0].along == along
    holes = Npz(path=tmp_path / "a.npz", inputs=["u10"], axes=["lat", "lon"], holes="nan")
    assert holes.spec().targets[0].along == ()


def test_files_of_images_say_which_way_rows_go(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for number in range(3):
        pixels = np.arange(48, dtype=np.uint8).reshape(6, 8) + number
        Image.fromarray(pixels).save(tmp_path / "run" / f"{number}.png")
    assert Frames(tmp_path / "run", split_by="time").spec().axes == ("row", "column")


def test_files_of_predictions_have_the_names_of_the_axes() -> None:
    lat, lon = np.linspace(-80, 80, LAT), np.arange(LON) * 36.0
    coords = np.stack(np.meshgrid(lat, lon, indexing="ij"), -1).reshape(-1, 2)
    value = np.zeros((1, LAT, LON))
    answers = Answers({"u": value}, coords, (LAT, LON), None, axes=("/grid/lat", "/grid/lon"))
    assert list(answers.arrays()) == ["u", "lat", "lon"]
    assert np.array_equal(answers.arrays()["lon"], lon)
    assert answers.dims("u") == ("sample", "lat", "lon")
    assert answers.dims("lat") == ("lat",)
    for axes in ((), ("u", "lon"), ("time", "lon"), ("lat", "lat"), ("lat",)):
        assert list(replace(answers, axes=axes).arrays()) == ["u", "x", "y"]


def test_arrows_and_panels_follow_the_shape_of_the_domain(make_run: RunMaker) -> None:
    """A wide domain has few rows of arrows, each as long as the way to the next, and no empty band."""
    folder = make_run(grid=(24, 36), names=("v[0]", "v[1]"), times=1)
    run = globe(folder, ("lat", "lon"))
    assert run.examples is not None
    north = np.ones((*run.examples.target.shape[:3], 2))
    figures = []
    for extent, most in ((np.array([120.0, 360.0]), 4), (np.array([1.0, 1.0]), 10)):
        examples = replace(run.examples, target=north, prediction=north, input=north[:, 0], extent=extent)
        figure = predictions.draw(replace(run, examples=examples), LIGHT)
        assert figure is not None
        figures.append(figure)
        (quiver, *_) = (found for ax in panels(figure) for found in ax.collections if hasattr(found, "U"))
        places = np.asarray(quiver.get_offsets())
        assert len(np.unique(places[:, 1])) == most
        size = (np.ptp(places[:, 0]) / (len(np.unique(places[:, 0])) - 1), np.ptp(places[:, 1]) / (most - 1))
        assert 0.6 < float(np.hypot(quiver.U[0], quiver.V[0])) / min(size) < 1.4
    wide, square = (figure.get_size_inches() for figure in figures)
    assert wide[1] < 0.75 * square[1]
