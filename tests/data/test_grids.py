"""Files of several grids in one data set: batches of one grid each, in an order that a seed decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from upt_core import DataError, Experiment
from upt_core.cli import main
from upt_core.data.latent_cache import LatentCache
from upt_core.data.prepared import PreparedData
from upt_core.data.windows import Windows
from upt_core.errors import ConfigError
from upt_data.npz import Npz
from upt_data.symmetric import Symmetric
from upt_models.grid_encoder import GridEncoder


def write(path: Path, points: int, number: int = 4, low: float = 0.0, both_ends: bool = False) -> Path:
    """Travelling waves in a unit square, on a grid of so many points along x and half of them along y."""
    rng = np.random.default_rng(points)
    x, y = ((np.arange(n) / (n - both_ends) + low).astype(np.float64) for n in (points, points // 2))
    t = np.arange(4) * 0.1
    phase = rng.random((number, 1, 1, 1))
    wave = np.sin(2 * np.pi * (x[:, None] - t[:, None, None] + phase)) * np.cos(2 * np.pi * y)
    path.parent.mkdir(exist_ok=True)
    np.savez(path, u=wave.astype(np.float32), x=x, y=y, t=t)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grids") / "sims"
    for points, number in ((8, 4), (16, 4), (24, 3)):
        write(folder / f"{points}.npz", points, number)
    return folder


def npz(path: Path, **settings: Any) -> Npz:
    return Npz(path=path, periodic=True, **settings)


def test_each_batch_is_of_one_grid_and_each_sample_comes_once(files: Path) -> None:
    data = npz(files, valid_fraction=0.1, test_fraction=0.1)
    prepared = PreparedData(data)
    assert any("several grids (8×4, 16×8, 24×12)" in text for text in data.remarks())
    batches = prepared.batches("train", 1, 4, seed=3)
    orders = []
    for epoch in range(2):
        seen, shapes, rows = [], [], []
        for number in range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch):
            batch = batches[number]
            assert batch.points.grid_shape is not None
            assert batch.points.grid_shape[0] * batch.points.grid_shape[1] == batch.input_BNC.shape[1]
            assert batch.points.lengths is None
            assert batch.points.sample_id_B is not None
            seen += batch.points.sample_id_B.tolist()
            shapes.append(batch.points.grid_shape)
            rows.append(len(batch.input_BNC))
            assert batches.rows(number) == rows[-1]
        assert sorted(seen) == list(range(len(batches.windows)))
        assert len(set(shapes)) == 3
        assert shapes != sorted(shapes)  # grids come mixed
        orders.append(seen)
    assert orders[0] != orders[1]
    again = PreparedData(npz(files)).batches("train", 1, 4, seed=3)
    assert torch.equal(again[5].input_BNC, batches[5].input_BNC)


def test_samples_without_a_seed_keep_their_order(files: Path, tmp_path: Path) -> None:
    mixed = PreparedData(npz(files, seed=1)).batches("train", 1, 4)
    seen = [mixed[k].points.sample_id_B for k in range(mixed.per_epoch)]
    numbers = [int(number) for part in seen if part is not None for number in part]
    assert numbers == list(range(len(mixed.windows)))
    assert sum(mixed.rows(k) for k in range(mixed.per_epoch)) == len(mixed.windows)


def test_grids_of_one_box_have_one_box(tmp_path: Path) -> None:
    """Points i/n, and points at both ends: coordinates of all files agree with where the points lie."""
    for both_ends in (False, True):
        folder = tmp_path / str(both_ends)
        for points in (8, 16):
            write(folder / f"{points}.npz", points, both_ends=both_ends)
        data = Npz(path=folder, periodic=not both_ends)
        prepared = PreparedData(data)
        batches = prepared.batches("train", 1, 1)
        found = {batches[k].points.grid_shape: batches[k].points.coords_BNX[0] for k in range(batches.per_epoch)}
        assert len(found) == 2
        first, second = found.values()
        assert torch.allclose(first[0], second[0], atol=1e-6)  # the first point is at the same place
        assert all(float(coords.min()) >= 0 and float(coords.max()) <= 1 for coords in found.values())


def test_a_workers_process_and_one_process_read_the_same(files: Path) -> None:
    batches = PreparedData(npz(files)).batches("train", 1, 4, seed=0)
    alone = list(batches.iterate(0, 4))
    for own, other in zip(alone, batches.iterate(0, 4, workers=1), strict=True):
        assert torch.equal(own.input_BNC, other.input_BNC)
        assert own.points.grid_shape == other.points.grid_shape


def settings(path: Path, encoder: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    return {
        "data": {"name": "npz", "path": str(path), "periodic": True, **data},
        "model": {
            "latent": {"tokens": [4, 2], "dim": 8},
            "encoder": encoder or {"name": "patches"},
            "approximator": {"name": "transformer", "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        },
        "sampler": {"name": "importance", "num_queries": 16, "window": 1, "start_epoch": 0},
        "losses": {"forward": {"name": "forward"}, "inverse": {"name": "inverse_encoding", "weight": 0.1}},
        "trainer": {"epochs": 2, "batch_size": 4, "device": "cpu", "optimizer": {"name": "adamw", "lr": 0.001}},
        "validation": {"metrics": {"rmse": "rmse", "spectrum": "spectrum_error"}, "monitor": "rmse"},
    }


@pytest.mark.parametrize("encoder", [{"name": "grid", "patch": 2, "depth": 1}, {"name": "lattice"}])
def test_encoders_take_several_grids(files: Path, encoder: dict[str, Any]) -> None:
    experiment = Experiment.from_dict(settings(files, encoder))
    built = next(iter(experiment.build_all(experiment.prepare_all()).parts.values()))
    model, seen = built.bundle.model, set()
    for number in range(built.train.per_epoch):
        batch = built.train[number]
        seen.add(batch.points.grid_shape)
        assert model.encoder(batch.input_BNC, batch.points).shape == (len(batch.input_BNC), 8, 8)
    assert len(seen) == 3


def test_a_run_over_several_grids_resumes_exactly(files: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    Experiment.from_dict(settings(files)).train(whole)
    short = settings(files)
    short["trainer"]["epochs"] = 1
    Experiment.from_dict(short).train(part)
    result = CliRunner().invoke(main, ["train", "--resume", str(part), "trainer.epochs=2"])
    assert result.exit_code == 0, result.output
    weights = [torch.load(run / "checkpoints" / "last.pt", weights_only=True)["model"] for run in (whole, part)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_test_split_may_have_another_resolution(files: Path, tmp_path: Path) -> None:
    fine = write(tmp_path / "fine.npz", 32, 3)
    own = settings(files / "16.npz", test_path=str(fine))
    Experiment.from_dict(own).train(tmp_path / "run")
    with np.load(next((tmp_path / "run").rglob("examples.npz"))) as examples:
        assert examples["grid_shape"].tolist() == [32, 16]
    out = tmp_path / "out.npz"
    result = CliRunner().invoke(main, ["predict", str(tmp_path / "run"), str(fine), "-o", str(out)])
    assert result.exit_code == 0, result.output
    with np.load(out) as found:
        assert found["u"].shape == (3, 3, 32, 16)


def test_encoders_that_cannot_are_refused_before_training(files: Path, tmp_path: Path) -> None:
    odd = write(tmp_path / "odd.npz", 12, 3)  # 12 × 6 points
    experiment = Experiment.from_dict(settings(files / "16.npz", {"name": "grid", "patch": 4}, test_path=str(odd)))
    with pytest.raises(ConfigError, match=r"a grid of \[12, 6\] points cannot be cut into patches of \[4, 4\]"):
        experiment.build_all(experiment.prepare_all())

    class OneGrid(GridEncoder):
        check_grid = GridEncoder.__mro__[1].check_grid  # type: ignore[attr-defined]  # as an encoder that says nothing

    with pytest.raises(
        ValueError, match=r"OneGrid takes one grid, and the data have another of 12 x 6; use an encoder"
    ):
        OneGrid.check_grid(OneGrid.__new__(OneGrid), (12, 6))


def test_grids_of_other_boxes_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "sims" / "a.npz", 8)
    write(tmp_path / "sims" / "b.npz", 16, low=0.5)
    with pytest.raises(DataError, match=r"b.npz: its grid of 16 × 8 points from 0.5 to 1.4.* covers another box than"):
        npz(tmp_path / "sims").spec()


def test_latents_of_several_grids_are_cached(files: Path, tmp_path: Path) -> None:
    experiment = Experiment.from_dict(settings(files))
    built = next(iter(experiment.build_all(experiment.prepare_all()).parts.values()))
    prepared, encoder = built.prepared, built.bundle.model.encoder.eval()
    states = Windows(prepared.trajectories("train"), prepared.data, 0)
    latent = experiment.settings.model.latent.spec()
    cache = LatentCache(tmp_path, "key", states, latent)
    cache.fill(encoder, prepared.normalization, 64, torch.device("cpu"), "fp32", point_sets=prepared.point_sets)
    batches = prepared.batches("train", 0, 1)
    for number in (0, len(states) - 1):
        batch = batches.collate([states[number]])
        with torch.no_grad():
            assert torch.allclose(cache.rows([number]), encoder(batch.input_BNC, batch.points), atol=1e-6)


def test_what_needs_one_grid_says_so(files: Path, tmp_path: Path) -> None:
    train = Symmetric(npz(files), flips=[0]).trajectories("train")
    with pytest.raises(
        DataError, match="symmetric: .*16.npz, trajectory 0 is on a grid of .* use training files of one grid"
    ):
        [train.read(index, 0, 1) for index in range(len(train))]
    result = CliRunner().invoke(
        main, ["data", "convert", str(files / "8.npz"), str(files / "16.npz"), str(tmp_path / "a.zarr")]
    )
    assert result.exit_code == 2
