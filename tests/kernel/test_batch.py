"""Points, query points and fields: what every stage hands to the next."""

from __future__ import annotations

import pytest
import torch

from upt_core import DataSpec, FieldSpec, Points, Queries

U, V, A = FieldSpec("u", 2), FieldSpec("v"), FieldSpec("a")


def spec(inputs: tuple[FieldSpec, ...], targets: tuple[FieldSpec, ...]) -> DataSpec:
    return DataSpec(inputs, targets, extent=(1.0,), periodic=(True,))


def points(batch: int = 3, number: int = 10, axes: int = 2) -> Points:
    return Points(torch.rand(1, number, axes).expand(batch, -1, -1))


class TestDataSpec:
    def test_fields_are_inputs_then_new_targets(self) -> None:
        data = spec((A, U), (U, V))
        assert [field.name for field in data.fields] == ["a", "u", "v"]
        assert (data.input_channels, data.target_channels, data.channels) == (3, 3, 4)

    def test_picks_channels_of_inputs_and_targets(self) -> None:
        data = spec((A, U), (U, V))
        value = torch.arange(4.0)
        assert data.inputs_of(value).tolist() == [0, 1, 2]
        assert data.targets_of(value).tolist() == [1, 2, 3]

    def test_targets_in_another_order_than_fields(self) -> None:
        data = spec((U, V), (V, U))
        assert data.targets_of(torch.arange(3.0)).tolist() == [2, 0, 1]

    def test_targets_of_a_moving_state_are_a_view(self) -> None:
        data = spec((U, V), (U, V))
        value = torch.rand(2, 3)
        assert data.targets_of(value).data_ptr() == value.data_ptr()

    def test_next_input_keeps_what_does_not_change(self) -> None:
        data = spec((A, U), (U, V))
        following = data.next_input(torch.tensor([9.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 3.0]))
        assert following.tolist() == [9, 1, 2]

    def test_unknown_field_lists_those_there_are(self) -> None:
        with pytest.raises(ValueError, match=r"no field is called 'w'; the data set has: a, u"):
            spec((A, U), (U,)).channels_of("w")


class TestPoints:
    def test_rows_may_share_memory(self) -> None:
        assert points().shared
        assert not Points(torch.rand(3, 10, 2)).shared

    def test_grid_shape_must_fit(self) -> None:
        with pytest.raises(ValueError, match=r"a grid of shape \(3, 4\) does not have 10 points"):
            Points(torch.rand(1, 10, 2), (3, 4))

    def test_mask_marks_real_points(self) -> None:
        padded = Points(torch.rand(2, 3, 1), lengths=(3, 1))
        assert padded.mask_BN is not None
        assert padded.mask_BN.tolist() == [[True, True, True], [True, False, False]]
        assert points().mask_BN is None

    def test_mapped_keeps_shared_memory(self) -> None:
        some = points()
        moved = some.mapped(lambda value: value.clone())
        assert moved.shared
        assert moved.coords_BNX.data_ptr() != some.coords_BNX.data_ptr()
        assert torch.equal(moved.coords_BNX, some.coords_BNX)

    def test_locality_order_is_a_permutation_with_padding_last(self) -> None:
        padded = Points(torch.rand(2, 50, 2), lengths=(50, 20))
        order = padded.locality_order_BN
        assert order.sort(1).values.tolist() == [list(range(50))] * 2
        assert sorted(order[1, :20].tolist()) == list(range(20))

    def test_select_takes_the_query_points(self) -> None:
        some = points()
        index = torch.tensor([[0, 3], [1, 4], [9, 2]])
        chosen = some.select(Queries(index))
        assert chosen.grid_shape is None
        assert torch.equal(chosen.coords_BNX[1], some.coords_BNX[1, [1, 4]])

    def test_select_all_is_the_points_themselves(self) -> None:
        some = points()
        assert some.select(Queries.all(some)) is some


class TestQueries:
    @pytest.mark.parametrize("layout", ["contiguous", "time slice", "shared rows", "transposed", "one row"])
    def test_take_gathers_rows_of_any_layout(self, layout: str) -> None:
        values = {
            "contiguous": torch.rand(3, 10, 2),
            "time slice": torch.rand(3, 4, 10, 2)[:, 2],
            "shared rows": torch.rand(1, 10, 2).expand(3, -1, -1),
            "transposed": torch.rand(3, 2, 10).transpose(1, 2),
            "one row": torch.rand(1, 10, 2),
        }
        value = values[layout]
        index = torch.randint(0, 10, (value.shape[0], 5))
        expected = torch.stack([value[b, index[b]] for b in range(value.shape[0])])
        assert torch.equal(Queries(index).take(value), expected)

    @pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
    @pytest.mark.parametrize("start", [0, 1])
    def test_take_keeps_every_bit_of_any_width(self, channels: int, start: int) -> None:
        value = torch.randn(3 * 10 * channels + 1)[start : start + 3 * 10 * channels].view(3, 10, channels)
        value[0, 0, 0], value[1, 1, 0] = float("nan"), float("-inf")
        index = torch.randint(0, 10, (3, 7))
        index[0, 0], index[1, 0] = 0, 1
        expected = torch.stack([value[b, index[b]] for b in range(3)])
        taken = Queries(index).take(value)
        assert torch.equal(taken.view(torch.int32), expected.view(torch.int32))

    def test_take_passes_gradients(self) -> None:
        value = torch.rand(2, 4, 1, requires_grad=True)
        Queries(torch.tensor([[0, 0], [3, 1]])).take(value).sum().backward()
        assert value.grad is not None
        assert value.grad.flatten().tolist() == [2, 0, 0, 0, 0, 1, 0, 1]

    def test_all_points_is_the_value_itself(self) -> None:
        value = torch.rand(3, 10, 1)
        assert Queries.all(points()).take(value) is value

    def test_mean_of_padded_rows_leaves_padding_out(self) -> None:
        padded = Points(torch.rand(2, 4, 1), lengths=(4, 1))
        value = torch.tensor([[1.0, 1.0, 1.0, 1.0], [3.0, 100.0, 100.0, 100.0]])
        assert Queries.all(padded).mean(value).item() == 2.0

    def test_mean_is_taken_in_float32(self) -> None:
        value = torch.full((1, 4096), 0.1, dtype=torch.bfloat16)
        mean = Queries().mean(value)
        assert mean.dtype == torch.float32
        assert mean.item() == pytest.approx(float(value[0, 0]), rel=1e-6)
