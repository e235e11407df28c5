"""Every shipped configuration is valid as it is, and trains at a small size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from upt_core import Experiment

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.glob("**/*.yaml") if path.parent.name != "sweeps")
SMALL = [
    *["trainer.epochs=2", "trainer.batch_size=4", "trainer.log_every=1"],
    *["trainer.device=cpu", "trainer.precision=fp32"],
]
SMALL_MODEL = ["model.latent.tokens=8", "model.latent.dim=16"]


def lattice(*tokens: int, width: int = 8) -> list[str]:
    """A small model whose tokens keep their place."""
    return [f"model.latent.tokens={list(tokens)}", "model.latent.dim=4", f"model.approximator.width={width}"]


def darcy_pt(folder: Path) -> str:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(20, 16, 16, generator=rng) > 0.5
    y = torch.rand(20, 16, 16, generator=rng)
    torch.save({"x": x, "y": y}, folder / "darcy.pt")
    return str(folder / "darcy.pt")


def advection_h5(folder: Path) -> str:
    x = (np.arange(64) + 0.5) / 64
    t = np.arange(6) * 0.05
    shifts = np.random.default_rng(0).random(12)
    tensor = np.sin(2 * np.pi * (x[None, None] - 0.4 * t[None, :, None] + shifts[:, None, None]))
    with h5py.File(folder / "advection.hdf5", "w") as file:
        file["tensor"] = tensor.astype(np.float32)
        file["x-coordinate"] = x.astype(np.float32)
        file["t-coordinate"] = np.append(t, 0.3).astype(np.float32)
    return str(folder / "advection.hdf5")


def groups_h5(folder: Path) -> str:
    """Two fields on 16 × 16 points, a group for each trajectory, as PDEBench's diffusion-reaction."""
    rng = np.random.default_rng(0)
    axis = (np.arange(16) + 0.5) / 8 - 1
    with h5py.File(folder / "groups.h5", "w") as file:
        for number in range(10):
            group = file.create_group(f"{number:04d}")
            group["data"] = rng.random((4, 16, 16, 2)).astype(np.float32)
            for name, values in (("x", axis), ("y", axis), ("t", np.arange(4) * 0.5)):
                group[f"grid/{name}"] = values.astype(np.float32)
    return str(folder / "groups.h5")


def flow_npz(folder: Path, axes: int) -> str:
    """A field on 16 points along each axis."""
    coords = {name: np.arange(16) / 16 for name in ("x", "y")[:axes]}
    field = np.random.default_rng(0).random((10, 5, *[16] * axes, 1)).astype(np.float32)
    np.savez(folder / "flow.npz", u=field, t=np.arange(5) * 0.1, **coords)
    return str(folder / "flow.npz")


def clouds(folder: Path) -> str:
    """Trajectories of a scalar at scattered points, others in each."""
    rng = np.random.default_rng(0)
    np.savez(
        folder / "clouds.npz",
        pos=rng.random((8 * 60, 2)),
        ptr=np.arange(0, 8 * 60 + 1, 60),
        t=np.arange(4.0),
        u=rng.random((8 * 60, 4)),
    )
    return str(folder / "clouds.npz")


def frames(folder: Path) -> str:
    """Twelve frames of a vector and a scalar at the same points, a file for each."""
    rng = torch.Generator().manual_seed(0)
    (folder / "case").mkdir()
    for name in ("x", "y"):
        torch.save(torch.rand(80, generator=rng), folder / "case" / f"{name}.th")
    for step in range(12):
        torch.save(torch.rand(3, 80, generator=rng), folder / "case" / f"{step:08d}_mesh.th")
    return str(folder / "case")


def scenario() -> list[str]:
    """A small size of one of APEBench's."""
    for package in ("apebench", "exponax", "jax"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: the extra apebench")
    sizes = {"num_points": 16, "num_train_samples": 6, "num_test_samples": 2, "num_warmup_steps": 3}
    times = {"train_temporal_horizon": 4, "test_temporal_horizon": 4}
    return [f"data.options={json.dumps(sizes | times)}"]


OWN: dict[str, Callable[[Path], list[str]]] = {
    "advection_darcy.yaml": lambda folder: [
        *["tasks.advection.data.num_trajectories=8", f"tasks.darcy.data.path={darcy_pt(folder)}"],
    ],
    "burgers.yaml": lambda folder: [
        *["data.num_trajectories=12", "data.points=64", "data.num_times=6", *lattice(16)],
    ],
    "burgers_upt_full.yaml": lambda folder: [
        *["data.num_trajectories=12", "data.points=64", "data.num_times=8", "data.final_time=0.4"],
        *["model.approximator.depth=2", "model.approximator.width=32"],
        *["model.decoder.depth=1", "model.decoder.width=32"],
        *["sampler.start_epoch=0", "losses.rollout.weight.start_epoch=0", "trainer.lr_schedule.warmup_epochs=0.5"],
        *["losses.inverse_encoding.weight.warmup_epochs=1", "losses.inverse_decoding.weight.warmup_epochs=1"],
    ],
    "darcy.yaml": lambda folder: [f"data.path={darcy_pt(folder)}", *lattice(8, 8)],
    "pdebench_2task.yaml": lambda folder: [
        f"data.path={advection_h5(folder)}",
        *["losses.inverse_encoding.weight.warmup_epochs=1", "losses.inverse_decoding.weight.warmup_epochs=1"],
        *["model.approximator.heads=4", "model.decoder.heads=4"],
    ],
    "points.yaml": lambda folder: [
        *["data.num_trajectories=8", "data.points_min=60", "data.points_max=90", "data.num_times=4"],
        *lattice(4, 4),
    ],
    **{
        f"benchmarks/apebench_{name}.yaml": lambda folder, tokens=tokens: [*scenario(), *lattice(*tokens)]
        for name, tokens in (("kdv", (4,)), ("ks", (4,)), ("burgers", (4, 4)), ("turbulence", (4, 4)))
    },
    "benchmarks/burgers1d.yaml": lambda folder: [
        *["data.num_trajectories=12", "data.points=64", "data.num_times=6", *lattice(16)],
    ],
    "benchmarks/burgers3d.yaml": lambda folder: [
        *["data.num_trajectories=10", "data.points=8", "data.num_times=4", *lattice(4, 4, 4)],
    ],
    "benchmarks/cfd_cloud.yaml": lambda folder: [
        *[f"data.path={frames(folder)}", "model.latent.tokens=[4, 4]", "model.latent.dim=4", "trainer.batch_size=2"],
        "model.approximator.depth=1",
    ],
    "benchmarks/darcy.yaml": lambda folder: [f"data.base.path={darcy_pt(folder)}", *lattice(8, 8)],
    "benchmarks/diffusion_reaction.yaml": lambda folder: [f"data.base.path={groups_h5(folder)}", *lattice(4, 4)],
    "benchmarks/kolmogorov.yaml": lambda folder: [
        *[f"data.base.path={flow_npz(folder, 2)}", "data.rolls=[16, 4]", "data.images=2", *lattice(4, 4)],
    ],
    "benchmarks/kuramoto_sivashinsky.yaml": lambda folder: [f"data.path={flow_npz(folder, 1)}", *lattice(4)],
    "benchmarks/pdebench_advection.yaml": lambda folder: [f"data.path={advection_h5(folder)}", *lattice(16)],
    "benchmarks/pdebench_burgers.yaml": lambda folder: [
        f"data.base.path={advection_h5(folder)}",
        "data.rolls=64",
        "data.images=2",
        *lattice(16),
    ],
    "benchmarks/scattered_burgers.yaml": lambda folder: [f"data.path={clouds(folder)}", *lattice(4, 4)],
    "benchmarks/shallow_water.yaml": lambda folder: [f"data.path={groups_h5(folder)}", *lattice(4, 4)],
}


def small_model(name: str) -> list[str]:
    """Smaller latents for models whose tokens have no place; those on a lattice bring their own."""
    return [] if "tokens: [" in (CONFIGS / name).read_text(encoding="utf-8") else SMALL_MODEL


def test_every_configuration_has_a_small_size() -> None:
    assert set(OWN) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_is_valid_as_shipped(name: str) -> None:
    assert Experiment.from_yaml(CONFIGS / name).name == Path(name).stem


@pytest.mark.parametrize("name", NAMES)
def test_trains_at_a_small_size(name: str, tmp_path: Path) -> None:
    experiment = Experiment.from_yaml(CONFIGS / name, [*SMALL, *small_model(name), *OWN[name](tmp_path)])
    results = experiment.train(tmp_path / "run")
    assert all(math.isfinite(value) for metrics in results.values() for value in metrics.values())
    assert len(results) == 2, "the model and a baseline"


@pytest.mark.parametrize(
    ("path", "patch"),
    [("1D/Advection/1D_Advection_Sols_beta0.4.hdf5", 32), ("2D/DarcyFlow/2D_DarcyFlow_beta1.0_Train.hdf5", 16)],
)
def test_both_pdebench_tasks_train_on_genuine_files(real_data: Path, tmp_path: Path, path: str, patch: int) -> None:
    small = [*SMALL, *SMALL_MODEL, "trainer.epochs=1", "data.num_trajectories=8", "sampler.num_queries=128"]
    own = [f"data.path={real_data / 'pdebench' / path}", f"model.encoder.patch={patch}"]
    heads = ["model.approximator.heads=4", "model.decoder.heads=4", "model.approximator.depth=1"]
    curriculum = [f"losses.{term}.weight=0.01" for term in ("inverse_encoding", "inverse_decoding")]
    experiment = Experiment.from_yaml(CONFIGS / "pdebench_2task.yaml", [*small, *own, *heads, *curriculum])
    assert experiment.train(tmp_path / "run")["model"]["nrmse"] > 0
