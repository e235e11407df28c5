"""The benchmark of quality: what it measures, that it goes on where it stopped, and what it says of wrong names."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from upt_bench.commands import bench
from upt_bench.quality import geometric
from upt_bench.quality.cell import Cell, keep, measure
from upt_bench.quality.errors import energy_of_shells, relative_error_BT, spectrum_error
from upt_bench.quality.halfway import halfway, halfway_coords
from upt_bench.quality.judged import Questions, Space, one_step
from upt_bench.quality.mode_matrices import ModeMatrices
from upt_bench.quality.operators import OPERATORS, PLAIN
from upt_bench.quality.pictures import rolled_out
from upt_bench.quality.plan import cells_of
from upt_bench.quality.run import collect
from upt_bench.quality.standing import KINDS, best
from upt_bench.quality.tables import is_result, shown, summary, table_of
from upt_bench.quality.tasks import TASKS
from upt_bench.quality.untrained import Untrained
from upt_bench.results import Results
from upt_core import Batch, Experiment, UserError
from upt_optimizers.matrices import matrix_shapes

RNG = torch.Generator().manual_seed(0)


def test_pictures_show_the_longest_budget_and_rollouts_alone() -> None:
    common = {"task": "burgers1d", "operator": "upt", "one_step": 0.1}
    short = common | {"budget": 20.0, "rollout_physical_by_step": [0.1, 0.2]}
    long, single = short | {"budget": 168.0}, common | {"budget": 168.0, "rollout_physical_by_step": [0.1]}
    assert rolled_out([short, long, single, long | {"split": "valid"}]) == [long]


def test_of_each_kind_the_operator_with_the_smallest_mean_is_drawn() -> None:
    errors = {"fno": [0.2, 0.4], "fno-soap": [0.1, 0.6]}
    rows = [{"operator": name, "one_step": error} for name, values in errors.items() for error in values]
    fno = next(kind for kind in KINDS if kind.title == "FNO")
    assert best(rows, fno, "one_step") == [0.2, 0.4]
    assert best([*rows, {"operator": "fno-soap", "one_step": 0.05}], fno, "one_step") == [0.1, 0.6, 0.05]
    assert best([{"operator": "fno", "rollout_physical": 0.2, "horizon": 1}], fno, "rollout_physical") == []


def test_errors_are_relative_to_each_time_step() -> None:
    target_BTNC = torch.tensor([[[[3.0], [4.0]], [[0.3], [0.4]]]])
    error_BT = relative_error_BT(target_BTNC + torch.tensor([0.5, 0.0])[:, None], target_BTNC)
    assert error_BT[0].tolist() == pytest.approx([0.1, 1.0])


def test_the_spectrum_does_not_see_where_structures_are_but_how_strong() -> None:
    target_BTNC = torch.rand(2, 3, 32, 1, generator=RNG).double()
    assert spectrum_error(target_BTNC.roll(5, 2), target_BTNC, (32,)) < 1e-9
    assert spectrum_error(2 * target_BTNC, target_BTNC, (32,)) == pytest.approx(math.log10(4))


def test_energy_is_found_at_its_wavenumber() -> None:
    x, y = torch.meshgrid(torch.arange(16) / 16, torch.arange(16) / 16, indexing="ij")
    wave = torch.sin(2 * math.pi * (3 * x + 4 * y)).reshape(1, 1, -1, 1)
    energy_K = energy_of_shells(wave, (16, 16))[0, 0, :, 0]
    assert len(energy_K) == 8
    assert energy_K.argmax() == 4  # |(3, 4)| = 5, and shells begin at 1
    assert energy_K.sum() == pytest.approx(0.5)


def test_half_way_values_are_exact_for_waves_and_cubics() -> None:
    x, y = torch.arange(16).double() / 16, torch.arange(10).double()
    field = torch.sin(2 * math.pi * 3 * x)[:, None] * (y**3 - 2 * y)
    coords = torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1).reshape(1, -1, 2)
    between = halfway_coords(coords, (16, 10), (True, False))[0]
    expected = torch.sin(2 * math.pi * 3 * between[:, 0]) * (between[:, 1] ** 3 - 2 * between[:, 1])
    found = halfway(field.reshape(1, -1, 1), (16, 10), (True, False))[0, :, 0]
    assert len(found) == 16 * 7
    assert torch.allclose(found, expected, atol=1e-9)
    assert between[:, 0].max() == pytest.approx(15.5 / 16)


class Fourier(nn.Module):
    """A complex weight as Fourier layers have it, and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2, 4, 5, dtype=torch.cfloat, generator=RNG))
        self.bias = nn.Parameter(torch.zeros(2))


def test_modes_are_matrices_for_the_optimizer_and_come_back_as_they_were() -> None:
    model = Fourier()
    before, gradient = model.weight.detach().clone(), torch.randn(3, 2, 4, 5, dtype=torch.cfloat, generator=RNG)
    seen = ModeMatrices(model)
    shape = matrix_shapes(seen)[seen.matrices[0]]
    assert (shape.count, shape.rows, shape.columns) == (40, 3, 2)
    model.weight.grad = gradient.clone()
    seen.pull()
    assert model.weight.grad is None
    torch.optim.SGD(seen.parameters(), lr=0.1).step()
    seen.push()
    assert torch.allclose(model.weight, before - 0.1 * gradient)


@pytest.fixture
def tiny() -> Cell:
    return Cell("burgers1d", "upt", 0, quick=True, seconds=0.3)


def test_a_cell_is_trained_and_judged_in_every_way(tiny: Cell) -> None:
    row = measure(tiny)
    for name in (
        "one_step",
        "half_way",
        "reconstruction",
        "rollout_physical",
        "rollout_latent",
        "spectrum_latent",
        "finer",
    ):
        assert math.isfinite(row[name]), name
    assert row["steps"] > 0
    assert row["seconds"] >= row["budget"] == 0.3
    assert len(row["rollout_latent_by_step"]) == row["horizon"] == 5
    assert row["rollout_physical_by_step"][0] == pytest.approx(row["rollout_latent_by_step"][0], rel=1e-3)


def test_persistence_is_what_it_says() -> None:
    row = measure(Cell("burgers1d", "persistence", 0, quick=True))
    assert row["rollout_physical_by_step"] == sorted(row["rollout_physical_by_step"])
    assert row["steps"] == 0


def test_results_are_collected_into_tables_and_pictures(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    keep(Cell("burgers1d", "mean", 0, quick=True), tmp_path / "cells")
    assert [path.name for path in (tmp_path / "cells").iterdir()] == ["burgers1d-mean-0.json"]
    row = json.loads((tmp_path / "cells/burgers1d-mean-0.json").read_text())
    for seed, error in ((0, 0.002), (1, 0.004)):
        own = row | {"operator": "upt", "seed": seed, "one_step": error, "rollout_latent_joint": 5e-4}
        own |= {"half_way": 2 * error, "rollout_physical": 0.1, "rollout_latent": 0.11}
        (tmp_path / f"cells/burgers1d-upt-{seed}.json").write_text(json.dumps(own))
    for operator, error in (("fno", 0.01), ("fno-soap", 0.004)):
        other = row | {"operator": operator, "one_step": error, "rollout_physical": 0.1}
        (tmp_path / f"cells/burgers1d-{operator}-0.json").write_text(json.dumps(other))
    results = collect(tmp_path)
    assert (tmp_path / "rollouts.png").is_file()
    assert (tmp_path / "standing.png").is_file()
    assert Results.load(tmp_path / "results.json").curves == results.curves
    found = {figure.key: (figure.measured, figure.reached) for figure in results.figures}
    assert found["burgers1d_one_step"] == (pytest.approx(0.003), False)
    assert found["burgers1d_rollout_latent"] == (5e-4, True)
    assert found["burgers1d_latent_to_physical"] == (pytest.approx(1.1), True)
    assert found["burgers1d_half_way_to_points"] == (pytest.approx(2.0), False)
    assert found["burgers1d_one_step_to_fno"] == (pytest.approx(0.75), False)
    assert found["burgers1d_rollout_to_fno"] == (pytest.approx(1.1), False)
    assert "0.003 (0.002 to 0.004)" in summary(results)
    assert "| mean field | – | – |" in table_of("burgers1d")(results)


def test_what_is_measured_is_not_measured_again(tmp_path: Path) -> None:
    arguments = ["quality", "--quick", "--tasks", "burgers1d", "--operators", "persistence", "--out", str(tmp_path)]
    assert CliRunner().invoke(bench, arguments, catch_exceptions=False).exit_code == 0
    path = tmp_path / "cells/burgers1d-persistence-0.json"
    kept = json.loads(path.read_text()) | {"one_step": 0.125}
    path.write_text(json.dumps(kept))
    assert CliRunner().invoke(bench, arguments, catch_exceptions=False).exit_code == 0
    assert Results.load(tmp_path / "results.json").curves["quality"][0]["one_step"] == 0.125


def test_rollouts_of_apebench_are_compared_by_the_geometric_mean_of_the_first_hundred_steps() -> None:
    common = {"task": "apebench_kdv", "budget": 60.0, "one_step": 0.1}
    upt = common | {"operator": "upt", "rollout_physical_by_step": [0.1, 0.4], "rollout_latent_by_step": [0.2, 0.2]}
    long = common | {"operator": "ape-fno", "rollout_physical_by_step": [0.01] * 100 + [1e6]}
    other = upt | {"task": "burgers1d"}
    assert geometric.table(Results(curves={"quality": [upt, long, other, upt | {"split": "valid"}]})).splitlines() == [
        "| operator | Korteweg-de Vries |",
        "| --- | --- |",
        "| FNO of APEBench, AdamW | 0.01 |",
        "| upt, physical | 0.2 |",
        "| upt, latent | 0.2 |",
    ]


def test_several_values_show_their_range() -> None:
    assert [shown([]), shown([0.0123]), shown([0.1, 0.3])] == ["–", "0.012", "0.2 (0.1 to 0.3)"]


def test_wrong_names_are_answered_with_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--tasks: there is no 'burger'; there are: burgers1d, pdebench_burgers"):
        cells_of("burger", None, "0", None, False, None)
    with pytest.raises(UserError, match=r"--operators: there is no 'u-net'; there are: persistence, mean, fno"):
        cells_of(None, "u-net", "0", None, False, None)
    with pytest.raises(UserError, match=r"--seeds 0-2: expected whole numbers with commas, for example 0,1,2"):
        cells_of(None, None, "0-2", None, False, None)
    with pytest.raises(UserError, match=r"kolmogorov needs the file npz/kolmogorov2d_64.npz .* name the folder with"):
        cells_of("kolmogorov", None, "0", tmp_path, False, None)


def test_without_real_data_the_tasks_that_need_none_are_left() -> None:
    cells = cells_of(None, None, "0,1", None, False, None)
    made = {
        "burgers1d",
        "burgers3d",
        *(name for name, task in TASKS.items() if task.package and find_spec(task.package)),
    }
    assert {cell.task for cell in cells} == made
    assert [cell.operator for cell in cells if cell.seed == 1] == len(made) * ["fno", "fno-soap", "upt"]


def test_a_task_whose_package_is_missing_says_what_to_install() -> None:
    task = replace(TASKS["apebench_kdv"], package="no_such_package")
    assert not task.is_there(None)
    with pytest.raises(UserError) as caught:
        task.overrides(None)
    assert str(caught.value) == (
        "the task apebench_kdv needs the package no_such_package; run: pip install 'upt-core[no_such_package]'"
    )


@pytest.mark.parametrize("operator", [name for name, own in OPERATORS.items() if own.trained])
def test_every_variant_is_a_valid_configuration(operator: str) -> None:
    own = OPERATORS[operator]
    for task in TASKS.values():
        fits = not (task.steady and own.of_time) and not (task.scattered and own.on_grid)
        fits = fits and (task.moves or not own.moved)
        if fits and (task.symmetric or not own.plain):
            overrides = [*own.overrides, *(PLAIN if own.plain else ()), "seed=1"]
            assert Experiment.from_yaml(task.config(), overrides).settings.seed == 1


def test_choices_are_judged_on_the_validation_split_and_are_no_results(tmp_path: Path) -> None:
    arguments = ["quality", "--quick", "--tasks", "burgers1d", "--operators", "persistence", "--out", str(tmp_path)]
    for more in ([], ["--split", "valid"], ["--set", "data.num_times=5"]):
        assert CliRunner().invoke(bench, [*arguments, *more], catch_exceptions=False).exit_code == 0
    rows = Results.load(tmp_path / "results.json").curves["quality"]
    assert len({row["one_step"] for row in rows}) == 3
    (result,) = [row for row in rows if is_result(row)]
    assert result["split"] == "test"
    assert f"| persistence | – | – | {result['peak_mib']:,} |" in table_of("burgers1d")(
        Results(curves={"quality": rows})
    )


def test_operators_without_symmetric_images_are_for_tasks_that_have_some() -> None:
    plain = [cell.operator for cell in cells_of("burgers1d", "upt,upt-plain", "0", None, False, None)]
    assert plain == ["upt"]


def test_scattered_points_are_for_operators_that_take_them(tmp_path: Path) -> None:
    (tmp_path / "pointcloud/cfd").mkdir(parents=True)
    named = "persistence,fno,upt,upt-quarter,upt-dense"
    cells = cells_of("cfd_cloud", named, "0", tmp_path, False, None)
    assert [cell.operator for cell in cells] == ["persistence", "upt", "upt-dense"]


def test_padding_counts_in_no_error(tmp_path: Path) -> None:
    """An operator that is wrong by a tenth everywhere, padding included, at trajectories of other numbers of points."""
    rng = np.random.default_rng(0)
    ptr = np.cumsum([0, *rng.integers(20, 90, 12)])
    u = rng.normal(3, 1, (ptr[-1], 3))
    np.savez(tmp_path / "clouds.npz", pos=rng.random((ptr[-1], 2)), u=u, ptr=ptr, t=np.arange(3.0))
    overrides = [f"data.path={tmp_path / 'clouds.npz'}", "data.test_fraction=0.5", "seed=0"]
    asked = Questions(Experiment.from_yaml(TASKS["scattered_burgers"].config(), overrides).prepare(), "test")

    class Wrong(Untrained):
        def predict(self, batch: Batch, steps: int, space: Space) -> torch.Tensor:
            truth = asked.prepared.normalization.to_physical(batch.target_BTNC)
            return asked.prepared.normalization.targets(1.1 * truth)

    assert one_step(Wrong(asked.prepared), asked) == pytest.approx(0.1, rel=1e-3)
