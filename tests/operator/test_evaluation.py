"""Evaluations: figures beside independent ones, intervals of known width, data of other kinds, words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import DataError, Dataset, Experiment, UserError, load
from upt_core.data.thinned import Thinned, steps_to
from upt_core.operator.bootstrap import Bootstrap
from upt_core.operator.evaluation import Evaluation
from upt_core.run.evaluate import Asked, evaluate_operator
from upt_core.trajectory import place_of
from upt_data.advection1d import Advection1d
from upt_data.burgers1d import Burgers1d
from upt_data.burgers2d import Burgers2d
from upt_data.neuraloperator import NeuralOperator
from upt_data.npz import Npz
from upt_data.symmetric import Symmetric

from .conftest import CONFIG, Make, waves, write


def found(run: Path, **asked: Any) -> Evaluation:
    return evaluate_operator(load(run), Asked(**asked))


def test_every_figure_equals_one_by_hand(run: Path) -> None:
    """Two of them: a new file with trajectories of 6 steps, rolled out over 5."""
    u = waves(7, trajectories=4)
    write(Path("new.npz"), u)
    evaluation = found(run, path=Path("new.npz"), steps=5)
    answer = load(run).predict({"u": u[:, 0]}, steps=5)["u"]
    error, truth = answer - u[:, 1:], u[:, 1:]
    relative = np.linalg.norm(error, axis=(1, 2)) / np.linalg.norm(truth, axis=(1, 2))
    np.testing.assert_allclose(evaluation.model.figures["relative_l2"], relative.mean(), rtol=1e-5)
    np.testing.assert_allclose(evaluation.by_trajectory(evaluation.model.errors)[:, 0], relative, rtol=1e-5)
    assert [number for number, _ in evaluation.worst(4)] == np.argsort(-relative).tolist()
    by_step = np.sqrt((error**2).mean(-1))
    np.testing.assert_allclose(evaluation.model.errors.rmse_STF[..., 0], by_step, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        evaluation.model.errors.relative_STF[..., 0], by_step / np.sqrt((truth**2).mean(-1)), rtol=1e-5
    )
    still = np.repeat(u[:, :1], 5, axis=1) - truth
    expected = (np.linalg.norm(still, axis=(1, 2)) / np.linalg.norm(truth, axis=(1, 2))).mean()
    np.testing.assert_allclose(evaluation.predictors["persistence"].figures["relative_l2"], expected, rtol=1e-5)
    assert evaluation.time_ST is not None
    np.testing.assert_allclose(evaluation.time_ST[0], 0.1 * np.arange(1, 6))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_figure_depends_on_the_batch_size(run: Path, size: int) -> None:
    write(Path("new.npz"), waves(7, trajectories=5))
    metrics = {name: name for name in ("relative_l2", "max_error", "nrmse", "vrmse", "conservation_error")}
    asked: dict[str, Any] = {"path": Path("new.npz"), "steps": 3, "metrics": metrics}
    together, apart = found(run, batch_size=5, **asked), found(run, batch_size=size, **asked)
    for name, one in together.predictors.items():
        for metric, value in one.figures.items():
            assert apart.predictors[name].figures[metric] == pytest.approx(value, rel=1e-5)


class TestBootstrap:
    """Deterministic: the seeds are fixed."""

    def test_the_interval_of_a_mean_is_that_of_the_normal_law(self) -> None:
        figure_S = torch.from_numpy(np.random.default_rng(0).normal(5, 2, size=400))
        interval = Bootstrap(np.arange(400)).interval(figure_S)
        assert interval is not None
        half = 1.96 * float(figure_S.std(correction=0)) / 400**0.5
        assert interval[0] == pytest.approx(float(figure_S.mean()) - half, abs=0.1 * half)
        assert interval[1] == pytest.approx(float(figure_S.mean()) + half, abs=0.1 * half)

    def test_it_covers_the_truth_as_often_as_it_says(self) -> None:
        """200 samples of 40 exponential values: 92 % are covered of so few skewed ones; below 168 by chance 1e-5."""
        rng = np.random.default_rng(1)
        inside = 0
        for _ in range(200):
            interval = Bootstrap(np.arange(40)).interval(torch.from_numpy(rng.exponential(size=40)))
            assert interval is not None
            inside += interval[0] <= 1 <= interval[1]
        assert inside >= 168

    def test_samples_of_a_trajectory_count_together(self) -> None:
        figure_G = torch.arange(8, dtype=torch.float64)
        once = Bootstrap(np.arange(8)).interval(figure_G)
        often = Bootstrap(np.repeat(np.arange(8), 50)).interval(figure_G.repeat_interleave(50))
        assert often == once

    def test_the_same_draws_come_again_and_differences_are_paired(self) -> None:
        bootstrap = Bootstrap(np.arange(20))
        figure_S = torch.from_numpy(np.random.default_rng(2).normal(size=20))
        assert bootstrap.interval(figure_S) == bootstrap.interval(figure_S)
        low, high = bootstrap.difference(figure_S, figure_S + 1) or (0.0, 0.0)
        assert (low, high) == (pytest.approx(-1), pytest.approx(-1))

    def test_one_trajectory_says_nothing_of_others(self) -> None:
        assert Bootstrap(np.zeros(5)).interval(torch.arange(5.0, dtype=torch.float64)) is None


def words(run: Path, **asked: Any) -> str:
    return " ".join(verdict.words for verdict in found(run, **asked).verdicts())


def test_the_verdict_is_a_sentence(run: Path, make: Make) -> None:
    assert "The model does not beat persistence: relative_l2" in words(run, split="all")
    make(trainer={"epochs": 80, "optimizer": {"name": "adamw", "lr": 1e-2}}).train(Path("long"))
    assert "The model beats persistence by a factor of" in words(Path("long"), split="train")


def test_what_could_be_chance_is_not_called_better(run: Path) -> None:
    """Predictors that differ by noise."""
    evaluation = found(run, split="all")
    rival = evaluation.predictors["persistence"]
    rival.by_sample["rmse"] = evaluation.model.by_sample["rmse"] + 1e-3 * torch.randn(  # type: ignore[operator]
        len(evaluation.number_S), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    rival.figures["rmse"] = evaluation.model.figures["rmse"] + 1e-9
    said = next(v for v in evaluation.verdicts() if v.metric == "rmse")
    assert said.sense == "even"
    assert "not clearly better than persistence" in said.words
    assert "other trajectories could reverse this" in said.words


def two_fields(rest: bool = False) -> Path:
    u = waves(1, trajectories=12)
    np.savez("two.npz", u=u, w=0 * u if rest else 1e-6 * u + 3, t=0.1 * np.arange(6), x=np.arange(32) / 32)
    data = {**CONFIG["data"], "path": "two.npz", "inputs": ["u", "w"]}
    Experiment.from_dict({**CONFIG, "data": data}, "two").train(Path("two"))
    return Path("two")


def test_fields_are_told_apart_and_a_field_at_rest_is_no_division_by_zero() -> None:
    evaluation = found(two_fields(rest=True), split="all", steps=2)
    assert evaluation.model.errors.names == ("u", "w")
    assert bool(evaluation.model.errors.relative_SF[:, 1].isnan().all()), "nothing is relative to a field of zeros"
    assert evaluation.worst(1)[0][1] > 0


@pytest.mark.parametrize(
    ("found", "wanted", "steps"),
    [
        ((64,), (32,), (2,)),
        ((65,), (33,), (2,)),
        ((64, 32), (16, 32), (4, 1)),
        ((64,), (48,), None),
        ((8,), (1,), None),
    ],
)
def test_grids_that_hold_a_coarser_one(
    found: tuple[int, ...], wanted: tuple[int, ...], steps: tuple[int, ...] | None
) -> None:
    assert steps_to(found, wanted) == steps


def test_a_thinned_data_set_is_a_part_of_the_fine_one() -> None:
    rng = np.random.default_rng(0)
    u = rng.normal(size=(6, 3, 8, 4))
    np.savez("plane.npz", u=u, t=np.arange(3), x=np.arange(8) / 8, y=np.arange(4) / 4)
    thin = Thinned(Npz(Path("plane.npz")), (2, 1))
    assert thin.spec().grid_shape == (4, 4)
    whole = thin.everything()
    one = whole.read(2, 0, 2)
    np.testing.assert_allclose(one.fields["u"].reshape(2, 4, 4), u[2, :2, ::2], rtol=1e-6)
    np.testing.assert_allclose(one.coords_NX.reshape(4, 4, 2)[:, 0, 0], np.arange(0, 8, 2) / 8)
    assert (len(whole), whole.num_times(0)) == (6, 3)
    assert place_of(whole, 2) == "plane.npz, trajectory 2"
    assert len(thin.trajectories("train")) == 4


@pytest.mark.parametrize(
    ("dataset", "shape", "settings"),
    [
        (Burgers1d(points=32), (64,), {"points": 64}),
        (Burgers1d(points=32), (8, 8), None),
        (Advection1d(points=32), (64,), {"points": 64}),
        (Burgers2d(points=16), (32, 32), {"points": 32}),
        (Burgers2d(points=16), (32, 16), None),
        (Burgers2d(layout="scattered"), (32, 32), None),
        (Symmetric(Burgers1d(points=32), roll_axes=[0]), (64,), {"base.points": 64}),
    ],
)
def test_generated_data_say_how_they_come_at_another_resolution(
    dataset: Dataset, shape: tuple[int, ...], settings: dict[str, Any] | None
) -> None:
    assert dataset.settings_at(shape) == settings


def generated(points: int = 32) -> Path:
    data = {"name": "advection1d", "num_trajectories": 12, "points": points, "num_times": 5}
    Experiment.from_dict({**CONFIG, "data": data}, "waves").train(Path("made"))
    return Path("made")


def resolved(remarks: Sequence[str]) -> str:
    return next((text for text in remarks if "truth" in text), "")


def test_at_another_resolution_inputs_and_truths_are_those_of_the_data_there() -> None:
    run = generated()
    evaluation = found(run, resolution=(64,), steps=3)
    assert resolved(evaluation.remarks) == "inputs and truths are those of the data set at 64 points: data.points=64"
    by_hand = found(run, overrides=("data.points=64",), steps=3)
    assert evaluation.model.figures == by_hand.model.figures
    truth = Advection1d(num_trajectories=12, points=64, num_times=5).trajectories("test").read(0, 0, 4).fields["u"]
    answer = load(run).predict({"u": truth[0, :, 0].numpy()}, steps=3)["u"]
    error = np.linalg.norm(answer - truth[1:, :, 0].numpy()) / np.linalg.norm(truth[1:, :, 0].numpy())
    assert float(evaluation.model.errors.relative_SF[0, 0]) == pytest.approx(error, rel=1e-4)


def test_a_finer_file_is_thinned_and_a_coarser_one_is_said(run: Path) -> None:
    write(Path("fine.npz"), waves(7, trajectories=4, points=128))
    thinned = found(run, path=Path("fine.npz"), resolution=(32,))
    assert resolved(thinned.remarks) == "inputs and truths are 32 of the 128 points of the data"
    write(Path("thin.npz"), waves(7, trajectories=4, points=128)[..., ::4])
    direct = found(run, path=Path("thin.npz"))
    assert thinned.model.figures["relative_l2"] == pytest.approx(direct.model.figures["relative_l2"], rel=1e-5)
    coarse = found(run, path=Path("thin.npz"), resolution=(64,))
    assert resolved(coarse.remarks) == (
        "the truth is known only on 32 points, so inputs and comparison use these, not 64; give a finer file as "
        "INPUT to compare there"
    )
    assert coarse.model.figures == direct.model.figures
    with pytest.raises(UserError, match=r"a resolution of 8x8 does not fit; expected 1 numbers, each at least 1"):
        found(run, resolution=(8, 8))


def test_what_an_operator_cannot_answer_is_refused_and_what_is_unlike_training_is_said(run: Path) -> None:
    u = waves(7, trajectories=3)
    np.savez("slow.npz", u=u, t=0.3 * np.arange(6), x=np.arange(32) / 32)
    with pytest.raises(
        DataError,
        match=r"a step of the operator is 0\.1 in time, as in its training data, but the "
        r"times are 0\.3",
    ):
        found(run, path=Path("slow.npz"))
    write(Path("odd.npz"), waves(7, trajectories=3, points=30))
    with pytest.raises(DataError, match=r"GridEncoder cannot take these data: .*patch"):
        found(run, path=Path("odd.npz"))
    write(Path("loud.npz"), 4 * u)
    assert any(text.startswith("u goes from") for text in found(run, path=Path("loud.npz")).remarks)
    write(Path("seen.npz"), waves(0)[:5])
    seen = [text for text in found(run, path=Path("seen.npz")).remarks if "are training trajectories" in text]
    assert seen == [f"{len(load(run).training.seen_in(Npz(Path('seen.npz')).everything()))} of the 5 trajectories "
                    "are training trajectories"]  # fmt: skip
    assert "all splits are evaluated, including the training split" in found(run, split="all").remarks


def test_trajectories_that_are_too_short_are_counted(run: Path) -> None:
    u = waves(7, trajectories=4)
    np.savez("short.npz", u=u, t=0.1 * np.arange(6), x=np.arange(32) / 32, lengths=np.array([6, 6, 4, 6]))
    evaluation = found(run, path=Path("short.npz"), steps=5, overrides=("data.lengths=lengths",))
    assert "1 of 4 trajectories have fewer than 6 time steps and are left out" in evaluation.remarks
    assert evaluation.trajectories == [0, 1, 3]


def test_steady_data_have_a_mean_of_training_beside_them() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(24, 8, 8))
    for name, part in (("train", slice(0, 20)), ("new", slice(20, 24))):
        axes = {"x": np.arange(8) / 8, "y": np.arange(8) / 8}
        np.savez(f"{name}.npz", a=a[part], s=a[part].cumsum(-1) + 100.0, **axes)
    data = {"name": "npz", "path": "train.npz", "inputs": ["a"], "targets": ["s"], "steady": True}
    Experiment.from_dict({**CONFIG, "data": data}, "steady").train(Path("steady"))
    assert list(found(Path("steady")).predictors) == ["model", "mean field"]
    evaluation = found(Path("steady"), path=Path("new.npz"))
    truth = a[20:].cumsum(-1) + 100
    mean = float(load("steady").training.mean_C[-1])
    expected = np.mean([np.linalg.norm(s - mean) / np.linalg.norm(s) for s in truth])
    assert evaluation.predictors["training mean"].figures["relative_l2"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(UserError, match=r"--steps is 3, but the problem is steady and has one solution"):
        found(Path("steady"), steps=3)


def test_files_on_a_grid_are_read_with_another_stride() -> None:
    """An operator that was trained on every fourth point of its file has the truth on every second."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(20, 16, 16)).astype(np.float32))
    torch.save({"x": x, "y": x.cumsum(-1)}, "darcy.pt")
    for stride, shape, settings in (
        (1, (8, 8), {"space_stride": 2}),
        (4, (16, 16), {"space_stride": 1}),
        (4, (6, 6), {"space_stride": 3}),  # from end to end: points 0, 3, …, 15
        (1, (5, 5), None),
        (1, (8, 4), None),
        (1, (8,), None),
    ):
        assert NeuralOperator(Path("darcy.pt"), space_stride=stride).settings_at(shape) == settings
    data = {"name": "neuraloperator", "path": "darcy.pt", "space_stride": 2}
    encoder = {"name": "grid", "patch": 4, "depth": 1}
    model = {**CONFIG["model"], "encoder": encoder}
    Experiment.from_dict({**CONFIG, "data": data, "model": model}, "darcy").train(Path("darcy"))
    evaluation = found(Path("darcy"), resolution=(16,))
    assert resolved(evaluation.remarks).endswith("at 16x16 points: data.space_stride=1")
    assert evaluation.model.errors.rmse_STF.shape == (2, 1, 1)


def test_bundled_data_are_judged_by_single_time_steps(run: Path) -> None:
    data = {"name": "bundled", "base": CONFIG["data"], "steps": 2}
    Experiment.from_dict({**CONFIG, "data": data}, "bundled").train(Path("bundled"))
    write(Path("new.npz"), waves(7, trajectories=4, times=8))
    evaluation = found(Path("bundled"), path=Path("new.npz"), steps=2)
    assert evaluation.model.errors.names == ("u",)
    assert evaluation.steps == 4
    assert evaluation.time_ST is not None
    np.testing.assert_allclose(evaluation.time_ST[0], 0.1 * np.arange(2, 6))
