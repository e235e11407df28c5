"""APEBench's scenarios, solved by exponax on first use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from upt_core import DataError, Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.apebench_scenarios import FAILED, REFUSED
from upt_data.cache import Arrays, cached_arrays
from upt_data.grid import grid_points, unit_axis
from upt_data.memory import on_shared_points
from upt_data.splits import Fraction, split_with_own

GENERATOR_VERSION = 1
PACKAGES = ("apebench", "exponax", "jax")
"""What the numbers depend on."""
CURE = "; install it with pip install 'upt-core[apebench]'"


class ApeBench(Dataset):
    """The trajectories of a scenario of APEBench: equations on periodic boxes in one to three dimensions.

    Training and test trajectories are APEBench's own, number for number, as its package makes them with exponax: by
    default 50 trajectories of 51 states to train on and 30 of 201 states to test on, 160 points along each axis.
    Validation takes some of the training trajectories. A scalar field is called ``u``, a velocity ``velocity``, the two
    substances of Gray-Scott ``u`` and ``v``; Poisson's equation has ``f`` and ``u``. They are solved on the CPU, in a
    process of its own: seconds in one dimension, half a minute for ``phy_decay_turb`` in two, and far longer where the
    scenario has many warm-up steps in two dimensions (``phy_kolm_flow``). Needs ``pip install 'upt-core[apebench]'``.

    Source: Koehler, Niedermayr, Westermann, Thuerey, "APEBench: A Benchmark for Autoregressive Neural Emulators of
    PDEs" (NeurIPS 2024).

    Args:
        scenario: its name in APEBench, such as ``diff_kdv``, ``diff_burgers`` or ``phy_decay_turb``.
        dims: axes of space.
        options: attributes of the scenario, such as ``num_points: 64``, ``num_train_samples``,
            ``train_temporal_horizon`` (time steps after the first state), ``test_temporal_horizon``, ``train_seed``, or
            numbers of its equation.
        valid_fraction: share of the training trajectories kept for validation.
        seed: seed of the choice of these.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
    """

    def __init__(
        self,
        scenario: str,
        dims: Literal[1, 2, 3] = 1,
        options: Mapping[str, Any] = {},
        valid_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        self.scenario = scenario
        self.dims = dims
        self.options = _plain(options)
        self.valid_fraction = valid_fraction
        self.seed = seed
        self.history = history
        self._about = {name: value.item() for name, value in self._ask("about").items()}

    def spec(self) -> DataSpec:
        """The scenario's fields on a periodic grid."""
        length, points, steady = self._about["extent"], self._about["points"], bool(self._about["steady"])
        inputs, targets = self._fields()
        return DataSpec(
            inputs,
            targets,
            (length,) * self.dims,
            (True,) * self.dims,
            (points,) * self.dims,
            steady=steady,
            origin=(0.0,) * self.dims,
            history=self.history,
            axes=("x", "y", "z")[: self.dims],
        )

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split; the first call solves the equation, or finds the solution in the cache."""
        u_BTNC = torch.from_numpy(self._ask("test" if split == "test" else "train")["u"])
        chosen = range(len(u_BTNC)) if split == "test" else self._chosen(len(u_BTNC), split)
        spec, time_T = self.spec(), self._about["interval"] * torch.arange(u_BTNC.shape[1], dtype=torch.float64)
        axis = unit_axis(self._about["points"], self._about["extent"])
        if spec.steady:
            fields, time_T = {"f": u_BTNC[:, :1], "u": u_BTNC[:, 1:]}, time_T[:1]
        else:
            sizes = [field.channels for field in spec.targets]
            parts = torch.split(u_BTNC, sizes, dim=-1)
            fields = {field.name: part for field, part in zip(spec.targets, parts, strict=True)}
        return on_shared_points(fields, grid_points([axis] * self.dims), time_T, list(chosen))

    def _chosen(self, num: int, split: Split) -> list[int]:
        return split_with_own(num, split, ("test",), (self.valid_fraction, 0.0), self.seed, "apebench")

    def _fields(self) -> tuple[tuple[FieldSpec, ...], tuple[FieldSpec, ...]]:
        channels = self._about["channels"]
        if self._about["steady"]:
            return (FieldSpec("f"),), (FieldSpec("u"),)
        if self._about["vector"]:
            fields: tuple[FieldSpec, ...] = (FieldSpec("velocity", channels),)
        else:
            fields = tuple(FieldSpec(name) for name in "uvw"[:channels])
        return fields, fields

    def _ask(self, what: str) -> Arrays:
        asked: dict[str, object] = {"scenario": self.scenario, "dims": self.dims, "options": self.options, "what": what}
        return cached_arrays("apebench", asked | _versions(), GENERATOR_VERSION, lambda: _answer(asked))


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, which are numbers, texts and lists of them.

    Raises:
        ValueError: one is something else, such as a date.
    """
    for name, value in options.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(f"options.{name}: got {value!r}; expected a finite number, a text or a list") from None
    return dict(options)


def _versions() -> dict[str, object]:
    """Of the packages.

    Raises:
        DataError: one is not installed.
    """
    try:
        return {name: version(name) for name in PACKAGES}
    except PackageNotFoundError as error:
        raise DataError(f"the data set apebench needs the package {error.name}{CURE}") from error


def _answer(asked: dict[str, object]) -> Arrays:
    """What a process of its own answers.

    Raises:
        ValueError: it refuses the question.
        DataError: it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.npz"
        command = [sys.executable, "-m", "upt_data.apebench_scenarios", str(path)]
        around = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if asked["what"] != "about":
            said = f"apebench: solving {asked['scenario']} ({asked['what']}); the cache keeps the solution"
            print(said, file=sys.stderr, flush=True)
        done = subprocess.run(command, input=json.dumps(asked), env=around, capture_output=True, text=True, check=False)
        if done.returncode == REFUSED:
            raise ValueError(done.stdout.strip())
        if done.returncode:
            text = done.stdout if done.returncode == FAILED else done.stderr
            reason = (text.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise DataError(f"apebench: {asked['scenario']} cannot be solved with these options: {reason}")
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
