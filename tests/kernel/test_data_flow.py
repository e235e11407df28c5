"""Trajectories → windows → batches, and their normalisation."""

from __future__ import annotations

import pytest
import torch

from upt_core import (
    DataError,
    Dataset,
    DataSpec,
    FieldSpec,
    InMemory,
    LocalityOrder,
    Split,
    Trajectories,
    Trajectory,
    split_indices,
)
from upt_core.data.loader import Batches
from upt_core.data.normalize import Normalization, RunningMoments
from upt_core.data.point_sets import PointSets
from upt_core.data.prepared import PreparedData, Survey
from upt_core.data.windows import Windows

U = FieldSpec("u")
A = FieldSpec("a")


def trajectory(number: int = 0, times: int = 5, points: int = 4, dt: float = 0.1, point_set: int = 0) -> Trajectory:
    """Values that tell where they come from: 100 · trajectory + 10 · time + point."""
    value = 100.0 * number + 10.0 * torch.arange(times)[:, None] + torch.arange(points)[None]
    coords = torch.linspace(-1, 1, points)[:, None]
    return Trajectory({"u": value[..., None]}, coords, dt * torch.arange(times), {}, point_set)


def moving(extent: float = 2.0, condition: tuple[str, ...] = ()) -> DataSpec:
    return DataSpec((U,), (U,), (extent,), (False,), None, condition, origin=(-1.0,))


class Given(Dataset):
    """A data set of given trajectories, the same in each split."""

    def __init__(self, data: DataSpec, trajectories: list[Trajectory]) -> None:
        self.data = data
        self.given = trajectories

    def spec(self) -> DataSpec:
        return self.data

    def trajectories(self, split: Split) -> Trajectories:
        return InMemory(self.given)


class TestWindows:
    def test_every_start_from_which_targets_follow(self) -> None:
        windows = Windows(InMemory([trajectory(0), trajectory(1, times=3)]), moving(), horizon=2, reference=True)
        assert len(windows) == 3 + 1
        sample = windows[1]
        assert sample.input_NC[:, 0].tolist() == [10, 11, 12, 13]
        assert sample.target_TNC[:, 0, 0].tolist() == [20, 30]
        assert sample.first_NC is not None
        assert sample.first_NC[0].item() == 0
        assert windows[3].input_NC[0].item() == 100

    def test_the_state_at_t_0_is_read_for_those_who_ask(self) -> None:
        frames: list[int] = []

        class Counted(InMemory):
            def read(self, index: int, start: int, stop: int) -> Trajectory:
                frames.append(stop - start)
                return super().read(index, start, stop)

        counted = Counted([trajectory(0), trajectory(1)])
        for reference, expected in ((False, 8 * 2), (True, 8 * 2 + 6)):  # of 8 windows, 2 begin at t = 0
            frames.clear()
            samples = list(map(Windows(counted, moving(), 1, reference=reference).__getitem__, range(8)))
            assert sum(frames) == expected
            assert [sample.first_NC is not None for sample in samples] == [reference] * 8

    def test_first_only_for_rollouts(self) -> None:
        windows = Windows(InMemory([trajectory(0), trajectory(1)]), moving(), horizon=4, first_only=True)
        assert [windows[i].input_NC[0].item() for i in range(len(windows))] == [0, 100]

    def test_fields_constant_in_time_are_inputs_of_every_window(self) -> None:
        some = trajectory()
        some.fields["a"] = torch.full((1, 4, 1), 7.0)
        data = DataSpec((A, U), (U,), (2.0,), (False,))
        assert Windows(InMemory([some]), data, horizon=1)[3].input_NC[0].tolist() == [7, 30]

    def test_steady_pairs(self) -> None:
        pair = Trajectory({"a": torch.ones(1, 4, 1), "u": torch.zeros(1, 4, 1)}, torch.rand(4, 1), torch.zeros(1), {})
        data = DataSpec((A,), (U,), (1.0,), (False,), steady=True)
        sample = Windows(InMemory([pair, pair]), data, horizon=1)[1]
        assert sample.first_NC is None
        assert sample.target_TNC.shape == (1, 4, 1)

    def test_too_long_a_horizon_is_refused(self) -> None:
        with pytest.raises(
            DataError,
            match=r"9 target time steps .* longest of 1 trajectories has 5 time steps; use a shorter rollout",
        ):
            Windows(InMemory([trajectory()]), moving(), horizon=9)


class TestBatches:
    def batches(self, seed: int | None = 0, size: int = 3) -> Batches:
        data = moving()
        windows = Windows(InMemory([trajectory(i) for i in range(2)]), data, horizon=1)
        return Batches(windows, Normalization.identity(data), size, seed)

    def test_batch_k_is_a_pure_function_of_seed_and_k(self) -> None:
        assert torch.equal(self.batches()[5].input_BNC, self.batches()[5].input_BNC)
        ahead = list(self.batches().iterate(4, 6))[1]
        assert torch.equal(ahead.input_BNC, self.batches()[5].input_BNC)
        assert not torch.equal(self.batches(seed=1)[5].input_BNC, self.batches()[5].input_BNC)

    def test_an_epoch_has_every_sample_once_and_epochs_differ(self) -> None:
        batches = self.batches()
        assert batches.per_epoch == 3
        epochs = [[batches[3 * e + k].points.sample_id_B.tolist() for k in range(3)] for e in range(2)]
        for epoch in epochs:
            assert sorted(number for part in epoch for number in part) == list(range(8))
        assert [len(part) for part in epochs[0]] == [3, 3, 2]
        assert epochs[0] != epochs[1]

    def test_without_seed_samples_come_in_their_order(self) -> None:
        assert self.batches(seed=None)[0].points.sample_id_B.tolist() == [0, 1, 2]

    def test_workers_give_the_same_batches(self) -> None:
        own = [batch.input_BNC for batch in self.batches().iterate(0, 3)]
        read_ahead = [batch.input_BNC for batch in self.batches().iterate(0, 3, workers=1)]
        assert all(torch.equal(a, b) for a, b in zip(own, read_ahead, strict=True))

    def test_reading_leaves_the_global_random_state_alone(self) -> None:
        before = torch.get_rng_state()
        list(self.batches().iterate(0, 3))
        assert torch.equal(before, torch.get_rng_state())

    def test_shared_points_share_memory_and_lie_in_the_unit_box(self) -> None:
        points = self.batches()[0].points
        assert points.shared
        assert points.coords_BNX[0, :, 0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])

    def test_rows_of_different_length_are_padded(self) -> None:
        data = moving()
        mixed = InMemory([trajectory(0, points=4, point_set=0), trajectory(1, points=2, point_set=1)])
        windows = Windows(mixed, data, horizon=4)
        point_sets = PointSets(data, (LocalityOrder(),))
        batch = Batches(windows, Normalization.identity(data), 2, point_sets=point_sets)[0]
        assert batch.points.lengths == (4, 2)
        assert batch.target_BTNC.shape == (2, 4, 4, 1)
        assert batch.points.knows(LocalityOrder())
        assert batch.points.locality_order_BN.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]


class TestNormalization:
    def test_moments_are_those_of_all_values(self) -> None:
        values = torch.randn(1000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5 + 2
        moments = RunningMoments()
        for part in values.split([1, 99, 900]):
            moments.add(part)
        assert torch.allclose(moments.mean, values.mean(0))
        assert torch.allclose(moments.std(), values.std(0, correction=0))

    def test_a_constant_channel_keeps_its_scale(self) -> None:
        moments = RunningMoments()
        moments.add(torch.full((10, 1), 3.0))
        assert moments.std().tolist() == [1.0]

    def test_is_measured_on_the_training_split_and_undone(self) -> None:
        data = moving()
        scale = Survey.of(InMemory([trajectory()]), data).normalization()
        batch = Batches(Windows(InMemory([trajectory()]), data, 1), scale, 4)[0]
        assert torch.cat([batch.input_BNC, batch.target_BTNC[-1:, 0]]).mean().item() == pytest.approx(0, abs=1e-6)
        assert torch.allclose(
            scale.to_physical(batch.target_BTNC)[0, 0, :, 0].float(), torch.tensor([10.0, 11, 12, 13])
        )

    def test_values_that_are_not_finite_are_refused(self) -> None:
        bad = trajectory()
        bad.fields["u"][2, 1] = float("nan")
        with pytest.raises(DataError, match="trajectory 1 of the training split: field 'u' has NaN or infinite values"):
            Survey.of(InMemory([trajectory(), bad]), moving())


class TestPreparedData:
    def test_the_domain_is_centred_on_the_points(self) -> None:
        data = DataSpec((U,), (U,), (4.0,), (False,))
        assert PreparedData(Given(data, [trajectory()])).data.origin == (-2.0,)

    def test_a_time_step_that_varies_is_a_condition(self) -> None:
        prepared = PreparedData(Given(moving(), [trajectory(dt=0.1), trajectory(dt=0.3)]))
        assert prepared.data.condition == ("time_step",)
        conditions = prepared.batches("train", 1, 8)[0].condition_BTP
        assert conditions is not None
        assert conditions.flatten().sort().values.tolist() == pytest.approx([-1] * 4 + [1] * 4, rel=1e-4)

    def test_a_time_step_that_never_varies_is_none(self) -> None:
        assert PreparedData(Given(moving(), [trajectory()])).data.condition == ()

    def test_time_must_increase(self) -> None:
        with pytest.raises(DataError, match="physical time must increase from step to step; the smallest step is 0"):
            PreparedData(Given(moving(), [trajectory(dt=0.0)]))

    def test_one_time_step_is_not_enough(self) -> None:
        with pytest.raises(DataError, match="trajectory 0 of the training split has 1 time step; expected at least 2"):
            PreparedData(Given(moving(), [trajectory(times=1)]))

    def test_each_trajectory_is_read_once(self) -> None:
        class Counting(InMemory):
            steps = 0

            def read(self, index: int, start: int, stop: int) -> Trajectory:
                self.steps += stop - start
                return super().read(index, start, stop)

        trajectories = Counting([trajectory(), trajectory()])
        Survey.of(trajectories, moving()).normalization()
        assert trajectories.steps == 1 + 2 * trajectories.num_times(0)  # the first tells how large one is

    def test_an_empty_split_is_refused(self) -> None:
        with pytest.raises(
            DataError, match="the split 'train' has no trajectories; change the data set's split fractions"
        ):
            PreparedData(Given(moving(), []))

    def test_a_checkpoint_of_other_fields_is_refused(self) -> None:
        other = Normalization.identity(DataSpec((A,), (A,), (1.0,), (False,)))
        with pytest.raises(DataError, match=r"trained on the fields a \(1\), but the data set has u \(1\)"):
            PreparedData(Given(moving(), [trajectory()]), normalization=other)

    def test_no_scaling_when_asked(self) -> None:
        prepared = PreparedData(Given(moving(), [trajectory()]), normalize="none")
        assert prepared.batches("train", 1, 1)[0].input_BNC[0, :, 0].tolist() == [0, 1, 2, 3]


class TestSplit:
    def test_splits_share_nothing_and_miss_nothing(self) -> None:
        parts = [split_indices(50, split, 0.1, 0.2, seed=3) for split in ("train", "valid", "test")]
        assert [len(part) for part in parts] == [35, 5, 10]
        assert sorted(number for part in parts for number in part) == list(range(50))

    def test_too_few_trajectories_are_refused(self) -> None:
        with pytest.raises(
            ValueError, match="2 trajectories cannot be split into 1 for validation, 1 for test and at least"
        ):
            split_indices(2, "train", 0.1, 0.1)

    def test_a_split_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ValueError, match="split is 'tset'; expected one of: train, valid, test"):
            split_indices(10, "tset", 0.1, 0.1)  # type: ignore[arg-type]
