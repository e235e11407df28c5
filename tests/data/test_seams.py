"""Periodic axes are found by the values at their ends: none where walls, chance or roughness make them alike."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from upt_core.cli import main

NUM, TIMES, POINTS = 6, 5, 32


def waves(length: float, *, axes: int = 1, num: int = NUM, rough: bool = False) -> np.ndarray:
    """Random sums of five waves (num, times, *grid) on 32 points an axis; periodic where ``length`` is 1."""
    rng = np.random.default_rng(0)
    place = np.arange(POINTS) / POINTS * length
    found = np.zeros((num, TIMES, *[POINTS] * axes))
    for wave in range(1, 12 if rough else 4):
        for axis in range(axes):
            phase = rng.uniform(0, 2 * math.pi, (num, TIMES, *[1 if k == axis else POINTS for k in range(axes)]))
            phase = phase[:, :1] + 0.3 * np.arange(TIMES).reshape(1, -1, *[1] * axes)
            if axes > 1:  # one phase for each trajectory: smooth along the other axes
                phase = phase.mean(axis=tuple(range(2, 2 + axes)), keepdims=True) * 12
            shape = [POINTS if k == axis else 1 for k in range(axes)]
            found += np.sin(2 * math.pi * wave * place.reshape(shape) + phase) / (1 if rough else wave)
    return found


def info(path: Path, *more: str, **arrays: np.ndarray) -> Result:
    np.savez(path / "a.npz", **arrays)
    return CliRunner().invoke(main, ["data", "info", str(path / "a.npz"), *more], catch_exceptions=False)


def settings(result: Result) -> dict[str, object]:
    text = result.stdout[result.stdout.index("data:") :]
    return dict(yaml.safe_load(text)["data"])


def axis(length: float = 1.0) -> np.ndarray:
    return np.arange(POINTS) / POINTS * length


def test_ends_that_fit_are_periodic_and_a_remark_says_so(tmp_path: Path) -> None:
    result = info(tmp_path, u=waves(1.0), x=axis(), t=np.arange(5.0))
    assert settings(result)["periodic"] == [True]
    assert "remark: periodic: [true] is a guess, because values at both ends of an axis are similar" in result.stderr


def test_each_axis_for_itself(tmp_path: Path) -> None:
    both = waves(1.0, axes=2)
    cut = np.concatenate([both, both[:, :, :, ::-1]], axis=3)[..., 5 : 5 + POINTS]  # mirrored along y, then cut
    result = info(tmp_path, u=cut, x=axis(), y=axis(), t=np.arange(5.0))
    assert settings(result)["periodic"] == [True, False]


def test_one_trajectory_that_is_split_by_time(tmp_path: Path) -> None:
    """Lines along an axis make up for trajectories."""
    times = np.repeat(waves(1.0, axes=2, num=1), 3, axis=1)
    result = info(tmp_path, u=times, x=axis(), y=axis(), t=np.arange(15.0))
    assert settings(result)["split_by"] == "time"
    assert settings(result)["periodic"] == [True, True]


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_units_do_not_matter(tmp_path: Path, unit: float) -> None:
    field = unit * (waves(1.0) + 3)
    assert settings(info(tmp_path, u=field, x=axis(), t=np.arange(5.0)))["periodic"] == [True]
    assert "periodic" not in settings(info(tmp_path, u=unit * (waves(0.73) + 3), x=axis(), t=np.arange(5.0)))


def test_the_experiment_has_it_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", u=waves(1.0), x=axis(), t=np.arange(5.0))
    result = CliRunner().invoke(main, ["data", "init", str(tmp_path / "a.npz"), "-o", str(tmp_path / "e.yaml")])
    assert yaml.safe_load((tmp_path / "e.yaml").read_text())["data"]["periodic"] == [True]
    assert "remark: periodic: [true] is a guess" in result.stderr


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(waves(0.73), id="part of a period"),
        pytest.param(waves(1.0) * np.sin(math.pi * np.arange(POINTS) / (POINTS - 1)), id="walls"),
        pytest.param(5 + waves(1.0) * np.sin(math.pi * np.arange(POINTS) / (POINTS - 1)), id="walls of a fixed value"),
        pytest.param(np.concatenate([waves(1.0)[..., :-1], waves(1.0)[..., :1]], axis=-1), id="the end repeated"),
        pytest.param(waves(1.0)[..., :16].repeat(2, -1)[..., ::-1] + waves(0.5), id="another function"),
        pytest.param(np.random.default_rng(0).standard_normal((NUM, TIMES, POINTS)), id="noise"),
        pytest.param(waves(1.0, rough=True), id="rough"),
        pytest.param(waves(1.0, num=3), id="few trajectories"),
        pytest.param(np.ones((NUM, TIMES, POINTS)), id="constant"),
    ],
)
def test_chance_walls_and_roughness_are_no_reason(tmp_path: Path, field: np.ndarray) -> None:
    result = info(tmp_path, u=field, x=axis(), t=np.arange(5.0))
    assert "periodic" not in settings(result)
    assert "remark" not in result.stderr


def test_what_the_user_says_counts(tmp_path: Path) -> None:
    result = info(tmp_path, "data.periodic=false", u=waves(1.0), x=axis(), t=np.arange(5.0))
    assert settings(result)["periodic"] is False
    assert "remark" not in result.stderr
