"""What a person has in a notebook: text, lists, series, arrays that may not be written, and a prediction as a line."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.operator.conftest import CONFIG
from upt_core import DataError, Experiment, load


def test_the_name_of_a_file_is_not_its_values(run: Path) -> None:
    for given in ("waves.npz", Path("waves.npz")):
        with pytest.raises(DataError, match=r"field 'u' is the text 'waves.npz'; expected values, such as np.load\("):
            load(run).predict(given)  # type: ignore[arg-type]


def test_memory_that_may_not_be_written_is_taken_without_a_warning(run: Path) -> None:
    operator, u = load(run), np.sin(np.arange(32.0))
    fixed = u.copy()
    fixed.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(operator.predict(fixed)["u"], operator.predict(u)["u"])


def test_wrong_names_are_told_together(run: Path) -> None:
    with pytest.raises(DataError, match="u is missing; there is no input field v; the operator takes u$"):
        load(run).predict({"v": np.zeros(32)})


def test_a_prediction_is_a_line_and_its_remarks(run: Path) -> None:
    operator, u = load(run), np.sin(2 * np.pi * np.arange(32) / 32)
    line = repr(operator.predict(u, steps=4)).splitlines()[0]
    assert re.fullmatch(r"Prediction\(u \(4, 32\); a grid of 32; t = \S+ to \S+\)", line)
    assert re.match(r"Prediction\(u \(1, 3\); 3 points; t = \S+\)", repr(operator.predict(u, at=[0.1, 0.2, 0.3])))
    found = operator.predict(1000 * u)
    assert [f"remark: {text}" for text in found.remarks] == repr(found).splitlines()[1:] != []


def test_a_space_that_does_not_exist_is_refused(run: Path) -> None:
    operator, u = load(run), np.sin(np.arange(32.0))
    with pytest.raises(DataError, match="space is 'phys'; expected 'latent' or 'physical'"):
        operator.predict(u, steps=2, space="phys")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="space is 'phys'; expected 'latent' or 'physical'"):
        list(operator.predict_in_batches(u, steps=2, space="phys"))  # type: ignore[arg-type]


def test_a_whole_trajectory_is_refused_with_the_shape_that_is_meant(run: Path) -> None:
    said = r"shape \(2, 5, 32, 1\); expected \(points\) or \(samples, points\), with 1 channel; for a trajectory, give"
    with pytest.raises(DataError, match=said):
        load(run).predict(np.zeros((2, 5, 32, 1)))


def test_a_single_number_is_refused_in_words(run: Path) -> None:
    with pytest.raises(
        DataError, match=r"has the shape \(\); expected \(points\) or \(samples, points\), with 1 channel$"
    ):
        load(run).predict(np.array(3.0))


def test_a_flat_field_of_a_grid_with_two_axes_is_refused_in_words() -> None:
    data = {"name": "burgers2d", "num_trajectories": 12, "points": 16, "num_times": 3}
    model = {**CONFIG["model"], "encoder": {"name": "grid", "patch": 8, "depth": 1}}
    run = Experiment.from_dict({**CONFIG, "data": data, "model": model}).train("flat")
    expected = r"\(points along axis 1, points along axis 2, channels\) or \(samples, points along axis 1, "
    for given in (np.zeros(256), np.zeros((256, 2)), np.zeros((16, 16))):
        with pytest.raises(DataError, match=rf"has the shape .*; expected {expected}.*, with 2 channels$"):
            run.operator().predict(given)
