"""Pictures of a run that goes on: what is drawn, from which file, and when again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import RunPictures, UserError

from .conftest import RunMaker, examples


def write(path: Path, second: int, **arrays: Any) -> None:
    np.savez(path, **arrays)
    os.utime(path, (second, second))


def densities() -> dict[str, Any]:
    """Of two samplers at two epochs, in the plane and along a line."""
    found: dict[str, Any] = {}
    for number, (epoch, stream) in enumerate([(1, "forward"), (1, "inverse"), (4, "forward"), (4, "inverse")]):
        shape = (8, 8) if stream == "forward" else (8,)
        one = {"task": "", "stream": stream, "epoch": epoch, "density": np.ones(shape), "effective_share": 1.0}
        found |= {f"{number:04d}/{name}": value for name, value in one.items()}
    return found


@pytest.mark.parametrize(
    ("grid", "points", "shared"),
    [((16,), None, True), ((8, 8), None, True), ((8, 8), 50, False), ((4, 4, 4), None, True), ((4, 4, 4), 50, True)],
)
def test_predictions_on_the_way_are_drawn_as_in_the_report(
    make_run: RunMaker, grid: tuple[int, ...], points: int | None, shared: bool
) -> None:
    run = make_run(grid=grid, points=points, finished=False)
    write(run / "latest-flow.npz", 1, **examples(grid, points, shared, 1, ("u", "v")), split="valid")
    pictures = RunPictures(run)
    ((name, figure),) = pictures.new()
    assert name == "predictions/flow"
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_title("left")]
    assert any("example 1" in title for title in titles)
    assert any("u" in title for title in titles)
    assert list(pictures.new(last=True)) == [], "nothing was written since"


def test_a_finished_run_that_goes_on_shows_what_is_new(make_run: RunMaker) -> None:
    """The report shows its final examples for a minute more; a listener asks for those that were just written."""
    run = make_run(grid=(8, 8))
    arrays = examples((8, 8), None, True, 1, ("w",))
    write(run / "latest.npz", int((run / "examples.npz").stat().st_mtime), **arrays, split="valid")
    ((name, figure),) = RunPictures(run).new()
    assert name == "predictions"
    assert any("target w" in axes.get_title("left") for axes in figure.axes)


def test_each_sampler_has_a_picture_and_only_what_changed_is_drawn_again(make_run: RunMaker) -> None:
    run = make_run(grid=(8, 8), finished=False)
    pictures = RunPictures(run)
    assert list(pictures.new(last=True)) == [], "a run that has just begun"
    write(run / "latest.npz", 1, **examples((8, 8), None, True, 1, ("u",)))
    write(run / "sampling.npz", 1, **densities())
    found = dict(pictures.new())
    assert set(found) == {"predictions", "query_points/forward", "query_points/inverse"}
    assert [axes.get_title("left") for axes in found["query_points/inverse"].axes][:2] == ["epoch 1", "epoch 4"]
    write(run / "sampling.npz", 2, **densities())
    assert list(pictures.new()) == [], "drawn a moment ago"
    assert set(dict(pictures.new(last=True))) == {"query_points/forward", "query_points/inverse"}


def test_constant_fields_and_fields_that_are_not_numbers_are_drawn(make_run: RunMaker) -> None:
    run, arrays = make_run(grid=(8, 8), finished=False), examples((8, 8), None, True, 1, ("u",))
    arrays["target"][:] = 1.0
    arrays["prediction"][0] = np.nan
    write(run / "latest.npz", 1, **arrays)
    ((_, figure),) = RunPictures(run).new()
    figure.draw_without_rendering()


def test_a_damaged_file_is_named(make_run: RunMaker) -> None:
    run = make_run(finished=False)
    (run / "latest.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"latest.npz: cannot be read: .*; remove the file"):
        next(iter(RunPictures(run).new()))
