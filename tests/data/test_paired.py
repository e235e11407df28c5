"""paired: inputs of one data set, targets of another, each at points of its own, from the files to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import upt_core
from upt_core import Batch, DataError, Dataset, Experiment
from upt_core.cli import main
from upt_core.data.prepared import PreparedData
from upt_core.operator.evaluate import baselines, evaluate, predictor_of
from upt_core.run.evaluate import evaluate_run
from upt_core.testing import check_dataset
from upt_core.testing.alone import alone
from upt_data.bundled import Bundled
from upt_data.mesh import Mesh
from upt_data.npz import Npz
from upt_data.paired import Paired
from upt_data.points import PointClouds
from upt_data.symmetric import Symmetric
from upt_metrics.rmse import Rmse

NUM, TIMES = 6, 5
RNG = np.random.default_rng(0)
SHIFT = RNG.random((NUM, 2))
TIME = np.linspace(0, 1, TIMES)
AXIS = (np.arange(6) + 0.5) / 6
GRID = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), -1).reshape(-1, 2)
SENSORS = [RNG.random((9 + number % 3, 2)) for number in range(NUM)]


def truth(number: int, places: np.ndarray) -> np.ndarray:
    """A wave at places (N, 2) at each time, (T, N)."""
    phase = places[None] - SHIFT[number] - TIME[:, None, None] / 4
    return np.sin(2 * np.pi * phase[..., 0]) * np.cos(2 * np.pi * phase[..., 1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("paired")
    field = np.stack([truth(number, GRID).reshape(TIMES, 6, 6) for number in range(NUM)])
    axes = {"x": AXIS, "y": AXIS, "t": TIME}
    np.savez(root / "field.npz", u=field, p=field**2, nu=np.arange(NUM, dtype=float), **axes)
    holes = field.copy()
    holes[:, :, :2, :3] = np.nan
    np.savez(root / "holes.npz", u=holes, **axes)
    ptr = np.cumsum([0, *map(len, SENSORS)])
    values = np.concatenate([truth(number, places).T for number, places in enumerate(SENSORS)])
    np.savez(root / "sensors.npz", pos=np.concatenate(SENSORS), u=values, w=np.ones(len(values)), ptr=ptr, t=TIME)
    return root


def pair(folder: Path, **settings: Any) -> Paired:
    sensors = PointClouds(path=folder / "sensors.npz", **settings)
    return Paired(sensors, Npz(path=folder / "field.npz", conditions=["nu"]))


def test_inputs_are_those_of_the_one_and_targets_those_of_the_other(folder: Path) -> None:
    data = pair(folder)
    check_dataset(data)
    spec = data.spec()
    assert (spec.grid_shape, spec.target_grid, spec.targets_apart, spec.condition) == (None, (6, 6), True, ("nu",))
    assert spec.origin == pytest.approx((0, 0), abs=1e-7)  # the sensors lie within the box of the grid
    assert spec.extent == pytest.approx((1, 1))
    whole = data.everything()
    for number in range(NUM):
        read = whole.read(number, 0, TIMES)
        assert read.targets is not None
        assert np.allclose(read.fields["u"][..., 0], truth(number, SENSORS[number]))
        assert np.allclose(read.coords_NX, SENSORS[number])
        assert np.allclose(read.targets.fields["u"][..., 0], truth(number, GRID), atol=1e-6)
        assert np.allclose(read.targets.coords_NX, GRID)
        assert read.condition["nu"] == number
    assert {path.name for path in data.files()} == {"sensors.npz", "field.npz"}


def test_a_field_with_one_name_has_one_scale_and_others_their_own(folder: Path) -> None:
    prepared = PreparedData(pair(folder))
    train = prepared.trajectories("train")
    reads = [train.read(index, 0, TIMES) for index in range(len(train))]
    values = torch.cat([value.flatten() for read in reads for value in read.all_values("u")])
    assert prepared.normalization.mean_C.item() == pytest.approx(values.mean().item())
    assert prepared.normalization.std_C.item() == pytest.approx(values.std(correction=0).item())
    other = PreparedData(Paired(PointClouds(path=folder / "sensors.npz"), Npz(path=folder / "field.npz", inputs=["p"])))
    assert [field.name for field in other.data.fields] == ["u", "p"]
    squared = torch.cat([read.targets.fields["u"].square().flatten() for read in reads if read.targets is not None])
    assert other.normalization.mean_C[1].item() == pytest.approx(squared.mean().item(), rel=1e-5)


def rows_of(batch: Batch, row: int) -> dict[str, torch.Tensor]:
    one = alone(batch, row)
    assert one.later_BTNC is not None
    return {
        "input": one.input_BNC,
        "target": one.target_BTNC,
        "later": one.later_BTNC,
        "coords": one.points.coords_BNX,
        "input coords": one.input_points.coords_BNX,
    }


def test_a_sample_of_a_padded_batch_is_that_sample_alone(folder: Path) -> None:
    prepared = PreparedData(pair(folder, history=2))
    together, singly = (prepared.batches("train", 2, size) for size in (8, 1))
    assert together[0].input_points.lengths is not None
    assert together[0].points.lengths is None
    for row in range(8):
        expected = rows_of(singly[row], 0)
        for name, value in rows_of(together[0], row).items():
            assert torch.equal(value, expected[name]), name
    batch, scale = singly[0], prepared.normalization
    assert batch.later_BTNC is not None
    later = batch.later_BTNC * scale.std_C + scale.mean_C
    number = round(float(batch.condition_BTP[0, 0, 0] * scale.condition_std_P + scale.condition_mean_P))  # type: ignore[index]
    assert np.allclose(later[0, :, :, 0], truth(number, SENSORS[number])[2:4], atol=1e-6)


def experiment(folder: Path, data: dict[str, Any] | None = None, **more: Any) -> Experiment:
    sensors = {"name": "points", "path": str(folder / "sensors.npz")}
    field = {"name": "npz", "path": str(folder / "field.npz")}
    return Experiment.from_dict(
        {
            "data": {"name": "paired", "inputs": sensors, "targets": field} if data is None else data,
            "model": {
                "latent": {"tokens": 4, "dim": 16},
                "encoder": {"name": "supernode", "supernodes": 4, "depth": 1},
                "approximator": {"name": "transformer", "depth": 1},
                "decoder": {"name": "perceiver", "depth": 1},
            },
            "sampler": {"name": "uniform", "num_queries": 20},
            "losses": {
                "forward": {"name": "forward"},
                "encoding": {"name": "inverse_encoding", "weight": 0.1},
                "decoding": {"name": "inverse_decoding", "weight": 0.1},
                "rollout": {"name": "rollout", "steps": 2, "space": "physical", "weight": 0.1},
            },
            "trainer": {"epochs": 2, "batch_size": 4, "optimizer": {"name": "adamw", "lr": 1e-3}, "device": "cpu"},
            "validation": {"metrics": {"rmse": {"name": "rmse"}}, "rollout": 2},
            **more,
        }
    )


def test_a_run_from_training_to_the_report(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    experiment(folder).train(run)
    results = evaluate_run(run)
    assert set(results) == {"model", "mean field"}  # persistence has no values at the targets
    operator = upt_core.load(run)
    data = pair(folder).trajectories("test")
    read = data.read(0, 0, TIMES)
    assert read.targets is not None
    for space in ("latent", "physical"):
        found = operator.predict(
            read.fields["u"][0, :, 0], read.coords_NX, at=read.targets.coords_NX, steps=2, space=space
        )
        batch = PreparedData(pair(folder), normalization=operator.normalization).batches("test", 2, 1, first_only=True)[
            0
        ]
        rolled = operator.normalization.to_physical(predictor_of(operator, space=space)(batch))  # type: ignore[arg-type]
        assert torch.allclose(rolled[0, ..., 0].float(), torch.as_tensor(found["u"]).float(), atol=1e-5)
    answered = CliRunner().invoke(main, ["predict", str(run), "--split", "test", "-o", str(tmp_path / "out.npz")])
    assert answered.exit_code == 0, answered.output
    with np.load(tmp_path / "out.npz") as out:
        assert np.allclose(out["coords"], GRID)  # where the targets are
        assert out["u"].shape == (1, TIMES - 1, 36)
    arguments = ["predict", str(run), str(folder / "sensors.npz"), "--resolution", "4", "-o", str(tmp_path / "own.npz")]
    file = CliRunner().invoke(main, arguments)
    assert file.exit_code == 0, file.output
    with np.load(tmp_path / "own.npz") as out:
        assert out["u"].shape == (NUM, TIMES - 1, 4, 4)
    page = CliRunner().invoke(main, ["report", str(run)])
    assert page.exit_code == 0, page.output
    assert (run / "plots" / "predictions.png").is_file()
    told = CliRunner().invoke(main, ["info", str(run)])
    assert "a grid of 6 x 6 in training" in told.output


def test_inputs_alone_are_enough_to_predict(folder: Path, tmp_path: Path) -> None:
    data = {
        "name": "paired",
        "inputs": {"name": "npz", "path": str(folder / "field.npz"), "inputs": ["u"]},
        "targets": {"name": "npz", "path": str(folder / "field.npz"), "inputs": ["p"], "space_stride": 2},
    }
    losses = {"forward": {"name": "forward"}, "encoding": {"name": "inverse_encoding"}}
    run = tmp_path / "run"
    experiment(folder, data, losses=losses).train(run)
    answered = CliRunner().invoke(
        main, ["predict", str(run), str(folder / "holes.npz"), "data.holes=nan", "-o", str(tmp_path / "out.npz")]
    )
    assert answered.exit_code == 0, answered.output
    with np.load(tmp_path / "out.npz") as out:
        assert out["p"].shape == (NUM, TIMES - 1, 36 - 6)


def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(folder: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    experiment(folder).train(whole)
    one = {"epochs": 1, "batch_size": 4, "optimizer": {"name": "adamw", "lr": 1e-3}, "device": "cpu"}
    experiment(folder, trainer=one).train(parts)
    resumed = CliRunner().invoke(main, ["train", "--resume", str(parts), "trainer.epochs=2"])
    assert resumed.exit_code == 0, resumed.output
    weights, again = (upt_core.load(run / "checkpoints" / "last.pt").model.state_dict() for run in (whole, parts))
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


def test_mesh_cells_in_and_nodes_out(tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio")
    points = np.column_stack([RNG.random((12, 2)), np.zeros(12)])
    cells = [("triangle", RNG.permutation(12).reshape(4, 3))]
    for number in range(4):
        for step in range(4):
            (tmp_path / f"run_{number}").mkdir(exist_ok=True)
            at_nodes, in_cells = RNG.random(12), RNG.random(4)
            made = meshio.Mesh(points, cells, {"p": at_nodes}, {"q": [in_cells]})
            made.write(tmp_path / f"run_{number}" / f"{step}.vtu")
    data = Paired(
        Mesh(path=tmp_path / "run_*", inputs=["q"], location="cell"), Mesh(path=tmp_path / "run_*", inputs=["p"])
    )
    check_dataset(data)
    read = data.everything().read(3, 0, 4)
    assert read.targets is not None
    assert read.coords_NX.shape == (4, 2)
    assert np.allclose(read.coords_NX, points[cells[0][1]].mean(1)[:, :2])
    assert np.allclose(read.targets.coords_NX, points[:, :2])
    assert np.allclose(read.targets.fields["p"][3, :, 0], at_nodes)
    assert np.allclose(read.fields["q"][3, :, 0], in_cells)
    assert read.measure_N is not None
    assert read.targets.measure_N is not None


def test_it_goes_with_holes_bundles_and_other_grids(folder: Path) -> None:
    holes = Paired(PointClouds(path=folder / "sensors.npz"), Npz(path=folder / "holes.npz", holes="nan"))
    prepared = PreparedData(holes)
    assert prepared.batches("train", 1, 2)[0].points.num_points == 30
    bundled = Bundled(pair(folder), steps=2)
    check_dataset(bundled)
    batch = PreparedData(bundled).batches("train", 1, 2)[0]
    assert (batch.input_BNC.shape[-1], batch.target_BTNC.shape[2:]) == (2, (36, 2))
    coarse = Npz(path=folder / "field.npz", space_stride=2)
    fine = PreparedData(Paired(coarse, Npz(path=folder / "field.npz")), normalize="none")
    first = fine.batches("train", 1, 1)[0]
    assert (first.input_points.grid_shape, first.points.grid_shape) == ((3, 3), (6, 6))
    same = (first.points.coords_BNX[0, :, None] - first.input_points.coords_BNX[0]).norm(dim=-1).argmin(0)
    assert torch.allclose(first.later_BTNC[0, 0], first.target_BTNC[0, 0, same])  # type: ignore[index]


def test_the_baseline_is_the_mean_of_training(folder: Path) -> None:
    prepared = PreparedData(pair(folder))
    batches = prepared.batches("test", 1, 4)
    rivals = baselines(prepared, batches)
    assert list(rivals) == ["mean field"]
    found = evaluate(rivals["mean field"], batches, {"rmse": Rmse()}, torch.device("cpu"))
    train = prepared.trajectories("train")
    later = torch.cat([train.read(i, 0, TIMES).targets.fields["u"][1:] for i in range(len(train))])  # type: ignore[union-attr]
    test = prepared.trajectories("test").read(0, 0, TIMES).targets.fields["u"][1:]  # type: ignore[union-attr]
    expected = (test - later.mean(0)).square().mean((1, 2)).sqrt().mean()
    assert found["rmse"] == pytest.approx(expected.item(), rel=1e-4)


REFUSED: dict[str, tuple[Any, str]] = {
    "number": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Npz(path=root / "few.npz")),
        r"the split 'train' has 4 trajectories of inputs and 3 of targets; expected equal numbers, in the same order",
    ),
    "times": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Npz(path=root / "late.npz")),
        r"sensors.npz, trajectory 0 and .*late.npz, trajectory 0 has other times in the inputs than in the targets",
    ),
    "steps": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Npz(path=root / "short.npz")),
        r"has 5 time steps of inputs and 4 of targets; expected the same times",
    ),
    "split": (
        lambda root: (PointClouds(path=root / "sensors.npz", seed=1), Npz(path=root / "field.npz")),
        r"inputs and targets are split differently: seed 1 and 0; give both the same",
    ),
    "axes": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Npz(path=root / "line.npz")),
        r"the inputs have num_axes 2, the targets 1; expected the same",
    ),
    "channels": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Npz(path=root / "vector.npz")),
        r"'u' has 1 channels in the inputs and 2 in the targets; expected equal numbers, or different names",
    ),
    "history": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Npz(path=root / "field.npz", history=2)),
        r"history belongs to the data that the encoder reads; set it in inputs, not in targets",
    ),
    "bundled": (
        lambda root: (PointClouds(path=root / "sensors.npz"), Bundled(Npz(path=root / "field.npz"), steps=2)),
        r"takes data sets that are neither bundled nor paired; put bundled around paired",
    ),
    "periodic": (
        lambda root: (Npz(path=root / "long.npz", periodic=True), Npz(path=root / "field.npz", periodic=True)),
        r"axis 0 is periodic and 2 long in the inputs, 1 in the targets; give both the same extent",
    ),
    "condition": (
        lambda root: (
            Npz(path=root / "other_nu.npz", conditions=["nu"]),
            Npz(path=root / "field.npz", conditions=["nu"]),
        ),
        r"the condition 'nu' of the inputs differs from that of the targets; put the trajectories of both in the same "
        r"order",
    ),
}


@pytest.fixture(scope="module")
def wrong(folder: Path) -> Path:
    with np.load(folder / "field.npz") as file:
        arrays = dict(file)
    u, axes = arrays["u"], {name: arrays[name] for name in ("x", "y", "t")}
    np.savez(folder / "few.npz", u=u[:5], **axes)
    np.savez(folder / "late.npz", u=u, **{**axes, "t": TIME * 2})
    np.savez(folder / "short.npz", u=u[:, :4], **{**axes, "t": TIME[:4]})
    np.savez(folder / "line.npz", u=u[..., 0], x=AXIS, t=TIME)
    np.savez(folder / "vector.npz", u=np.stack([u, u], -1), **axes)
    np.savez(folder / "long.npz", u=u, **{**axes, "x": AXIS * 2})
    np.savez(folder / "other_nu.npz", u=u, nu=np.arange(NUM)[::-1].astype(float), **axes)
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused(wrong: Path, name: str) -> None:
    make, message = REFUSED[name]
    inputs, targets = make(wrong)
    with pytest.raises(DataError, match=message):
        PreparedData(Paired(inputs, targets))


class Renamed(Dataset):
    """A pair whose spec, or whose fields, are wrong in one place."""

    def __init__(self, base: Dataset, what: str) -> None:
        self.base, self.what = base, what

    def spec(self) -> Any:
        from dataclasses import replace

        spec = self.base.spec()
        return replace(spec, targets_apart=False) if self.what == "spec" else spec

    def trajectories(self, split: Any) -> Any:
        from dataclasses import replace

        from upt_core import InMemory

        found = self.base.trajectories(split)
        reads = [found.read(index, 0, found.num_times(index)) for index in range(len(found))]
        if self.what == "still":
            reads = [replace(read, fields={"u": read.fields["u"][:1]}) for read in reads]
        if self.what == "missing":
            reads = [replace(read, targets=replace(read.targets, fields={})) for read in reads]  # type: ignore[type-var]
        return InMemory(reads)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("spec", r"its targets have points of their own, but the data set's spec\(\) says targets_apart=False"),
        (
            "still",
            r"'u' is predicted, but at the input points it has values at only 1 of 5 time steps; give it values "
            r"at all",
        ),
        ("missing", r"trajectory 0 of the training split, target points: field 'u' is missing; found: none"),
    ],
)
def test_a_data_set_of_ones_own_is_checked(folder: Path, what: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        PreparedData(Renamed(pair(folder), what))


def test_images_of_pairs_are_refused(folder: Path) -> None:
    grids = Paired(Npz(path=folder / "field.npz"), Npz(path=folder / "field.npz"))
    with pytest.raises(DataError, match="symmetric: the targets of the base are at other points than the inputs"):
        Symmetric(grids, flips=[0]).spec()
