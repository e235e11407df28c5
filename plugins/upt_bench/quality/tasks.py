"""The data sets of the benchmark of quality, each with its configuration, its rivals' sizes and its goals."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import upt_core
from upt_core import UserError


@dataclass(frozen=True)
class Task:
    """One data set.

    Args:
        name: of ``configs/benchmarks/NAME.yaml``, whose budget is everybody's.
        title: as tables call it.
        file: under the folder of real data; None: upt solves it itself.
        finer: overrides that give the same trajectories at twice the resolution; empty: there are none.
        modes: that a Fourier neural operator keeps along each axis.
        width: of a Fourier neural operator.
        goals: figure → largest value that upt should reach.
        small: overrides for a quick run.
        steady: whether there is no time.
        symmetric: whether the configuration shows symmetric images of the training trajectories.
        scattered: whether points are scattered, which Fourier neural operators do not take.
        moves: whether the configuration's sampler moves query points off the grid (``jittered``).
        package: that makes the data; None: upt needs none.
        placed: whether the equation or its walls tell places apart; then U-Nets and residual networks are given places.
    """

    name: str
    title: str
    file: str | None
    modes: int
    width: int
    finer: tuple[str, ...] = ()
    goals: Mapping[str, float] = field(default_factory=dict)
    small: tuple[str, ...] = ()
    steady: bool = False
    symmetric: bool = False
    scattered: bool = False
    moves: bool = True
    placed: bool = False
    package: str | None = None

    def config(self) -> Path:
        """The configuration, in a checkout or an installation."""
        places = [Path(upt_core.__file__).parents[1] / "configs", Path(sysconfig.get_path("data"), "share/upt/configs")]
        return next(path for place in places if (path := place / "benchmarks" / f"{self.name}.yaml").is_file())

    @property
    def _installed(self) -> bool:
        return self.package is None or find_spec(self.package) is not None

    def _is_in(self, data: Path | None) -> bool:
        return self.file is None or (data is not None and (data / self.file).exists())

    def is_there(self, data: Path | None) -> bool:
        """Whether its file and package are."""
        return self._installed and self._is_in(data)

    def overrides(self, data: Path | None) -> list[str]:
        """What the configuration needs to find its file.

        Raises:
            UserError: the task needs a folder of real data, or a package that is not installed.
        """
        if not self._installed:
            raise UserError(
                f"the task {self.name} needs the package {self.package}; run: pip install 'upt-core[{self.package}]'"
            )
        if self.file is None:
            return []
        if data is None or not self._is_in(data):
            raise UserError(
                f"the task {self.name} needs the file {self.file} in a folder of real data; name the folder with --data"
            )
        return [f"{'data.base' if self.symmetric else 'data'}.path={data / self.file}"]


def _goals(one: float, physical: float | None = None, latent: float | None = None) -> dict[str, float]:
    every = {"one_step": one, "rollout_physical": physical, "rollout_latent": latent}
    return {name: value for name, value in every.items() if value is not None}


_FEW = ("data.num_trajectories=10",)


def _of_apebench(name: str, title: str, modes: int, width: int, small: tuple[str, str]) -> Task:
    """A task whose trajectories APEBench makes; ``small`` has the points and tokens of a quick run."""
    sizes = {"num_points": small[0], "num_train_samples": 8, "num_test_samples": 2}
    sizes |= {"train_temporal_horizon": 4, "test_temporal_horizon": 4}
    quick = (*(f"data.options.{key}={value}" for key, value in sizes.items()), f"model.latent.tokens={small[1]}")
    return Task(f"apebench_{name}", f"{title}, APEBench", None, modes, width, small=quick, package="apebench")


TASKS = {
    task.name: task
    for task in (
        Task(
            "burgers1d",
            "Burgers 1-D, exact",
            None,
            16,
            32,
            finer=("data.points=512",),
            goals=_goals(1e-4, 6e-4, 6e-4),
            small=("data.num_trajectories=16", "data.num_times=6"),
        ),
        Task(
            "pdebench_burgers",
            "Burgers 1-D, PDEBench",
            "pdebench/1D/Burgers/1D_Burgers_Sols_Nu0.01.hdf5",
            64,
            32,
            goals=_goals(0.0010, 0.020, 0.020),
            small=("data.base.num_trajectories=10", "data.images=2"),
            symmetric=True,
        ),
        Task(
            "pdebench_advection",
            "advection 1-D, PDEBench",
            "pdebench/1D/Advection/1D_Advection_Sols_beta0.4.hdf5",
            64,
            32,
            goals=_goals(0.003, 0.04, 0.04),
            small=_FEW,
        ),
        Task(
            "diffusion_reaction",
            "diffusion-reaction 64²",
            "pdebench/2D/diffusion-reaction/2D_diff-react_NA_NA.h5",
            24,
            24,
            goals=_goals(0.10, 0.35, 0.35),
            symmetric=True,
            moves=False,
            placed=True,
        ),
        Task(
            "kolmogorov",
            "Kolmogorov flow 64²",
            "npz/kolmogorov2d_64.npz",
            24,
            24,
            goals=_goals(0.15, 0.40, 0.40),
            small=("data.base.num_trajectories=10", "data.images=2"),
            symmetric=True,
            placed=True,
        ),
        Task(
            "darcy",
            "Darcy 16²",
            "neuralop/darcy_train_16.pt",
            16,
            32,
            goals=_goals(0.08),
            small=("data.base.num_samples=40",),
            steady=True,
            symmetric=True,
            moves=False,
            placed=True,
        ),
        Task("kuramoto_sivashinsky", "Kuramoto-Sivashinsky", "npz/ks1d_128.npz", 32, 32, small=_FEW),
        Task("shallow_water", "shallow water 64²", "pdebench/2D/shallow-water/2D_rdb_NA_NA.h5", 24, 24, placed=True),
        Task(
            "burgers3d",
            "Burgers 3-D, exact",
            None,
            12,
            24,
            finer=("data.points=48",),
            small=("data.num_trajectories=6", "data.num_times=3", "data.points=8", "model.latent.tokens=[4,4,4]"),
        ),
        Task(
            "scattered_burgers",
            "scattered Burgers 2-D, exact",
            "pointcloud/scattered_burgers2d.npz",
            0,
            0,
            small=("data.num_trajectories=10",),
            scattered=True,
            moves=False,
        ),
        _of_apebench("kdv", "Korteweg-de Vries", 32, 32, ("32", "[8]")),
        _of_apebench("ks", "Kuramoto-Sivashinsky", 32, 32, ("32", "[8]")),
        _of_apebench("burgers", "Burgers 64²", 24, 24, ("16", "[4, 4]")),
        _of_apebench("turbulence", "decaying turbulence 64²", 24, 24, ("16", "[4, 4]")),
        Task("cfd_cloud", "flow past cylinders, 32,392 points", "pointcloud/cfd", 0, 0, scattered=True, moves=False),
    )
}
