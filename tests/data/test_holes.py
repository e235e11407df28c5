"""Holes: points without values are left out, so that nothing after the reader meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import upt_core
from upt_core import Batch, DataError, Experiment, Queries, Sampler
from upt_core.cli import main
from upt_core.data.prepared import PreparedData
from upt_core.operator.evaluate import evaluate, predictor_of
from upt_data.arrays.dataset import GridArrays
from upt_data.npz import Npz
from upt_data.points import PointClouds
from upt_samplers.sobol import Sobol
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

Arrays = dict[str, Any]
SHAPE = (8, 6)
LAND = np.zeros(SHAPE, dtype=bool)
LAND[2:5, 1:4] = True
LAND[0] = True


def ocean(per_trajectory: bool = False) -> tuple[Arrays, Any]:
    """Six trajectories of a periodic 8 × 6 grid, and where their land is, (6, 8, 6)."""
    rng = np.random.default_rng(0)
    land = np.stack([np.roll(LAND, number if per_trajectory else 0, 1) for number in range(6)])
    land[1, 7, :3] |= per_trajectory  # their numbers of points differ
    u = rng.standard_normal((6, 5, *SHAPE)).astype(np.float32)
    axes = {"x": np.arange(8) / 8, "y": np.arange(6) / 3}
    return {"u": u, "k": rng.random((6, *SHAPE)).astype(np.float32), **axes, "t": np.arange(5.0)}, land


def with_nan(arrays: Arrays, land: Any) -> Arrays:
    return arrays | {"u": np.where(land[:, None], np.nan, arrays["u"])}


def write(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def read_all(data: GridArrays | PointClouds) -> list[upt_core.Trajectory]:
    whole = data.everything()
    return [whole.read(number, 0, whole.num_times(number)) for number in range(len(whole))]


@pytest.mark.parametrize("per_trajectory", [False, True])
def test_points_with_values_are_scattered_points_of_the_same_box(tmp_path: Path, per_trajectory: bool) -> None:
    arrays, land = ocean(per_trajectory)
    full = Npz(path=write(tmp_path / "full.npz", arrays), inputs=["u", "k"], targets=["u"], periodic=True)
    settings: dict[str, Any] = {"inputs": ["u", "k"], "targets": ["u"], "periodic": True, "holes": "nan"}
    data = Npz(path=write(tmp_path / "nan.npz", with_nan(arrays, land)), **settings)
    spec, whole = data.spec(), PreparedData(full).data
    assert (spec.grid_shape, spec.extent, spec.periodic) == (None, full.spec().extent, (True, True))
    assert spec.origin == pytest.approx(whole.origin)
    for number, (found, plain) in enumerate(zip(read_all(data), read_all(full), strict=True)):
        values = torch.from_numpy(~land[number].reshape(-1))
        assert torch.equal(found.coords_NX, plain.coords_NX[values])
        assert torch.equal(found.fields["u"], plain.fields["u"][:, values])
        assert torch.equal(found.fields["k"], plain.fields["k"][:, values])
        assert found.measure_N is None
    assert len({found.point_set for found in read_all(data)}) == (6 if per_trajectory else 1)
    assert data.remarks() == [
        f"{tmp_path / 'nan.npz'}: 15 of the 48 points of its first trajectory are holes and are left out; the others "
        "are "
        f"scattered points"
    ]


def masks(land: Any) -> Arrays:
    moving = np.zeros((5, *SHAPE), dtype=bool)
    moving[1, 2:5, 1:4], moving[4, 0] = True, True  # together they are the land
    return {
        "land": land[0],
        "land_of_each": land.astype(np.int8),
        "moving": moving,
        "moving_of_each": np.broadcast_to(moving, (6, *moving.shape)),
        "sea": 1.0 - land[0],
    }


@pytest.mark.parametrize("holes", ["land", "land_of_each", "moving", "moving_of_each", "not sea", "land.npy"])
def test_a_mask_says_the_same_as_nan(tmp_path: Path, holes: str) -> None:
    arrays, land = ocean()
    by_nan = Npz(path=write(tmp_path / "nan.npz", with_nan(arrays, land)), holes="nan")
    np.save(tmp_path / "land.npy", land[0])
    path = write(tmp_path / "mask.npz", with_nan(arrays, land) | masks(land))  # what is under the mask is not read
    by_mask = Npz(path=path, holes=str(tmp_path / holes) if holes.endswith(".npy") else holes)
    for found, expected in zip(read_all(by_mask), read_all(by_nan), strict=True):
        assert torch.equal(found.fields["u"], expected.fields["u"])
        assert torch.equal(found.coords_NX, expected.coords_NX)


def test_masks_are_turned_and_thinned_with_the_grid(tmp_path: Path) -> None:
    arrays, land = ocean()
    turned = arrays | {"x": arrays["x"][::-1]}
    np.save(tmp_path / "land.npy", land[0])
    path = write(tmp_path / "a.npz", with_nan(turned, land) | masks(land))
    for stride in (1, 2):
        expected = read_all(Npz(path=path, holes="nan", space_stride=stride))
        for holes in ("land", str(tmp_path / "land.npy")):
            found = read_all(Npz(path=path, holes=holes, space_stride=stride))
            assert all(torch.equal(a.fields["u"], b.fields["u"]) for a, b in zip(found, expected, strict=True))
            assert torch.equal(found[0].coords_NX, expected[0].coords_NX)


def test_cells_of_a_stretched_grid_keep_their_size(tmp_path: Path) -> None:
    arrays, land = ocean()
    stretched = arrays | {"y": np.array([0.0, 1, 3, 4, 5, 7])}
    full = read_all(Npz(path=write(tmp_path / "full.npz", stretched)))[0]
    found = read_all(Npz(path=write(tmp_path / "nan.npz", with_nan(stretched, land)), holes="nan"))[0]
    assert full.measure_N is not None
    assert found.measure_N is not None
    assert torch.equal(found.measure_N, full.measure_N[torch.from_numpy(~land[0].reshape(-1))])


def test_points_have_holes_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: Arrays = {
        "pos": rng.random((20, 2)),
        "u": rng.random((20, 4)),
        "ptr": [0, 5, 9, 15, 20],
        "t": np.arange(4.0),
    }
    dry = np.zeros(20, dtype=bool)
    dry[[1, 6, 7, 19]] = True
    over_time = np.zeros((20, 4))
    over_time[[1, 6], 0], over_time[[7, 19], 3] = 1, 1
    gaps = np.where(dry[:, None], np.nan, arrays["u"])
    path = write(tmp_path / "a.npz", arrays | {"u": gaps, "dry": dry, "over_time": over_time})
    for holes in ("nan", "dry", "over_time"):
        for number, found in enumerate(read_all(PointClouds(path=path, holes=holes))):
            rows = np.flatnonzero(~dry[arrays["ptr"][number] : arrays["ptr"][number + 1]]) + arrays["ptr"][number]
            assert np.array_equal(found.fields["u"][..., 0].numpy(), arrays["u"][rows].T)
    with pytest.raises(DataError, match=r"'wet': no such array; found: .*; expected \(20,\) or \(rows, times\)"):
        read_all(PointClouds(path=path, holes="wet"))


def test_what_cannot_be_a_hole(tmp_path: Path) -> None:
    arrays, land = ocean()
    refused = Npz(path=write(tmp_path / "nan.npz", with_nan(arrays, land)))
    with pytest.raises(DataError, match=r"15 of 48 values are NaN or infinite; .* NaN marks holes in .* holes: nan"):
        read_all(refused)
    later = with_nan(arrays, land)
    later["u"][2, 3, 7, 5] = np.nan
    moved = Npz(path=write(tmp_path / "later.npz", later), holes="nan")
    with pytest.raises(
        DataError,
        match=r"trajectory 2, time step 3: 1 of 33 .*; a hole must keep its place .* in "
        r"'holes'",
    ):
        read_all(moved)
    mask = write(
        tmp_path / "mask.npz", arrays | {"all": np.ones(SHAPE), "gap": np.full(SHAPE, np.nan), "few": land[:4]}
    )
    for holes, message in {
        "all": r"trajectory 0: every point is a hole; .* 'not NAME'",
        "gap": r"mask 'gap': expected true and false, or numbers; correct 'holes'",
        "few": r"'few': shape \(4, 8, 6\), for 6 trajectories; expected \(\*grid\)",
        "sand": r"there is no array called 'sand'",
        "gone.npy": r"gone.npy: cannot be read as an array .* 'holes' takes nan, the name of an array, or an .npy file",
    }.items():
        with pytest.raises(DataError, match=message):
            read_all(Npz(path=mask, holes=holes))
    np.save(tmp_path / "small.npy", np.zeros((4, 6)))
    with pytest.raises(DataError, match=r"shape \(4, 6\); expected that of the file's grid, \(8, 6\)"):
        read_all(Npz(path=mask, holes=str(tmp_path / "small.npy")))


def settings(path: Path, holes: str, encoder: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": {"name": "npz", "path": str(path), "periodic": True, "holes": holes},
        "model": {
            "latent": {"tokens": [4, 4], "dim": 8},
            "encoder": encoder,
            "approximator": {"name": "transformer", "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        },
        "sampler": {"name": "stratified", "num_queries": 12},
        "losses": {"forward": {"name": "forward"}, "inverse": {"name": "inverse_encoding", "weight": 0.5}},
        "trainer": {"epochs": 1, "batch_size": 4, "device": "cpu", "optimizer": {"name": "adamw", "lr": 0.001}},
        "validation": {"metrics": {"rmse": "rmse", "relative_l2": "relative_l2"}, "monitor": "rmse"},
    }


ENCODERS: dict[str, dict[str, Any]] = {
    "supernode": {"name": "supernode", "supernodes": 8, "depth": 1, "max_neighbours": 4},
    "lattice": {"name": "lattice"},
}


@pytest.mark.parametrize("name", ENCODERS)
def test_what_stands_in_a_hole_changes_nothing(tmp_path: Path, name: str) -> None:
    """Weights, latents and figures of two runs whose files differ under the mask alone are equal bit for bit."""
    found = []
    arrays, land = ocean(per_trajectory=True)
    for number, value in enumerate((1e6, np.nan)):
        filled = arrays | {"u": np.where(land[:, None], np.float32(value), arrays["u"]), "land": land}
        experiment = Experiment.from_dict(settings(write(tmp_path / f"{number}.npz", filled), "land", ENCODERS[name]))
        folder = tmp_path / f"run{number}"
        experiment.train(folder)
        built = experiment.build_all(experiment.prepare_all())
        experiment.load_weights(built, folder / "checkpoints" / "best.pt")
        batch = built.prepared.batches("train", 1, 4)[0]
        with torch.no_grad():
            latent_BLD = built.bundle.model.eval().encoder(batch.input_BNC, batch.points)
        batches = built.prepared.batches("test", 1, 4)
        metrics = experiment.parts[""].metrics()
        figures = evaluate(predictor_of(experiment.operators(built)[""]), batches, metrics, built.device)
        found.append((latent_BLD, figures, built.prepared.normalization.plain()))
    for latent_BLD, figures, scales in found[1:]:
        assert torch.equal(latent_BLD, found[0][0])
        assert (figures, scales) == found[0][1:]


def padded_batch(tmp_path: Path) -> tuple[Batch, PreparedData, Any]:
    arrays, land = ocean(per_trajectory=True)
    path = write(tmp_path / "nan.npz", with_nan(arrays, land))
    data = Npz(path=path, holes="nan", valid_path=path, test_path=path)  # all six trajectories train
    prepared = PreparedData(data, normalize="none")
    batch = prepared.batches("train", 1, 6, first_only=True)[0]
    assert batch.points.lengths is not None
    return batch, prepared, np.where(land, np.nan, arrays["u"][:, 1])


def test_statistics_and_means_are_those_of_the_points_with_values(tmp_path: Path) -> None:
    batch, prepared, target = padded_batch(tmp_path)
    mean = Queries.all(batch.points).mean(batch.target_BTNC[:, 0, :, 0])
    assert float(mean) == pytest.approx(np.nanmean(target, axis=(1, 2)).mean(), abs=1e-6)
    scaled = PreparedData(prepared.dataset).normalization
    arrays, land = ocean(per_trajectory=True)
    train = with_nan(arrays, land)["u"]
    assert float(scaled.mean_C) == pytest.approx(np.nanmean(train), abs=1e-6)
    assert float(scaled.std_C) == pytest.approx(np.nanstd(train), rel=1e-6)


@pytest.mark.parametrize("kind", [Uniform, Stratified, Sobol])
def test_samplers_draw_points_with_values_without_bias(tmp_path: Path, kind: type[Sampler]) -> None:
    """400 draws; the mean lies within 5 of its standard errors: a right sampler fails in 1 of 10^6 seeds."""
    batch, _, target = padded_batch(tmp_path)
    sampler = kind(num_queries=8)
    value_BNC, true = batch.target_BTNC[:, 0], np.nanmean(target, axis=(1, 2)).mean()
    rng, progress = torch.Generator().manual_seed(0), upt_core.Progress()
    drawn = []
    for _ in range(400):
        queries = sampler.sample(batch.points, rng, progress)
        drawn.append(float(queries.mean(queries.take(value_BNC)[..., 0])))
    error = np.std(drawn) / 20
    assert abs(np.mean(drawn) - true) < 5 * error


def test_encoders_of_grids_say_what_can(tmp_path: Path) -> None:
    arrays, land = ocean()
    path = write(tmp_path / "nan.npz", with_nan(arrays, land))
    for encoder, cure in ({"name": "grid", "patch": 2}, "supernode"), ({"name": "patches"}, "lattice"):
        experiment = Experiment.from_dict(settings(path, "nan", encoder))
        with pytest.raises(
            ValueError, match=f"a grid that is uneven or has holes counts as such.; use the encoder '{cure}'"
        ):
            experiment.build_all(experiment.prepare_all())


def test_an_operator_answers_for_files_with_other_holes(tmp_path: Path) -> None:
    arrays, land = ocean()
    path = write(tmp_path / "nan.npz", with_nan(arrays, land))
    Experiment.from_dict(settings(path, "nan", ENCODERS["supernode"])).train(tmp_path / "run")
    other = {name: value[:2] if name in "uk" else value for name, value in arrays.items()}
    moved = write(tmp_path / "new.npz", with_nan(other, np.roll(land[:2], 2, 1)))
    call = ["predict", str(tmp_path / "run"), str(moved), "-o", str(tmp_path / "out.npz"), "--steps", "2"]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out.npz") as found:
        assert found["u"].shape[:2] == (2, 2)
        assert found["u"].shape[2] == 33
        assert np.isfinite(found["u"]).all()
