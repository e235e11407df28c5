"""``check_encoder``, ``check_approximator`` and ``check_decoder`` refuse wrong model parts, and say what is wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from upt_core import Approximator, DataSpec, Decoder, Encoder, LatentSpec, Points
from upt_core.testing import ConformanceError, check_approximator, check_decoder, check_encoder


class Means(Encoder):
    """A right encoder: masked means over points, one for each token."""

    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__()
        self.shape = (latent.tokens, latent.dim)
        self.layer = nn.Linear(data.input_channels + data.num_axes, latent.tokens * latent.dim)

    def value(self, input_BNC: Tensor, points: Points) -> Tensor:
        return torch.tanh(self.layer(torch.cat([input_BNC, points.coords_BNX], dim=-1)))

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        value_BND = self.value(input_BNC, points)
        if points.mask_BN is not None and points.length_B1 is not None:
            value_BND = value_BND * points.mask_BN.unsqueeze(-1)
            return (value_BND.sum(dim=1) / points.length_B1).view(-1, *self.shape)
        return value_BND.mean(dim=1).view(-1, *self.shape)


class FlatEncoder(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return super().forward(input_BNC, points).flatten(1)


class Double(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return super().forward(input_BNC, points).double()


class Absent(Means):
    """Fails in its own code; the kit names the line."""

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        raise NotImplementedError("later")


class UnusedParameter(Means):
    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__(data, latent)
        self.forgotten = nn.Linear(2, 2)


class MixedRows(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return super().forward(input_BNC - input_BNC.mean(dim=0), points)


class BatchNormed(Means):
    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__(data, latent)
        self.norm = nn.BatchNorm1d(latent.tokens)

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        normed: Tensor = self.norm(super().forward(input_BNC, points))
        return normed


class NoMask(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return self.value(input_BNC, points).mean(dim=1).view(-1, *self.shape)


class PaddedBox(Means):
    """Coordinates relative to the box of all points, those that pad among them."""

    def value(self, input_BNC: Tensor, points: Points) -> Tensor:
        low_B1X = points.coords_BNX.amin(dim=1, keepdim=True)
        placed_BNX = (points.coords_BNX - low_B1X) / (points.coords_BNX.amax(dim=1, keepdim=True) - low_B1X)
        return torch.tanh(self.layer(torch.cat([input_BNC, placed_BNX], dim=-1)))


class Wide(Means):
    """Divides by the width of the batch instead of the number of real points."""

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        value_BND = self.value(input_BNC, points)
        if points.mask_BN is not None:
            value_BND = value_BND * points.mask_BN.unsqueeze(-1)
        return value_BND.mean(dim=1).view(-1, *self.shape)


class Ordered(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        ramp_N1 = torch.linspace(0, 1, input_BNC.shape[1]).unsqueeze(-1)
        return super().forward(input_BNC * ramp_N1, points)


class Random(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return super().forward(input_BNC, points) * torch.rand(())


class PlainAttribute(Means):
    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__(data, latent)
        self.offset = torch.rand(latent.dim)

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return super().forward(input_BNC, points) + self.offset


class InPlace(Means):
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        return super().forward(input_BNC.mul_(2), points)


class GridOnly(Means):
    needs_grid: ClassVar[bool] = True


ENCODERS: dict[type[Encoder], tuple[dict[str, Any], str]] = {
    Double: (
        {},
        r"type: torch.float64 on .*\n    expected: torch.float32, as the inputs are\n    cure: give new tensors",
    ),
    Absent: ({}, r"forward: NotImplementedError \(later\) on .*, in testing/test_model_kit.py, line \d+\n"),
    FlatEncoder: ({}, r"shape: \(3, 80\) on a grid of 16 points\n    expected: \(3, 5, 16\)"),
    UnusedParameter: ({}, r"every parameter: forgotten.weight, forgotten.bias got no gradient on a grid of 16 points"),
    MixedRows: ({}, r"rows: the result for row 0 changes by .* when other rows change"),
    BatchNormed: ({}, r"rows: .*\n.*\n    cure: normalise over channels \(LayerNorm\), not over the batch"),
    NoMask: ({}, r"padding: the latent changes by .* when values and coordinates of padding change"),
    PaddedBox: ({}, r"padding: the latent changes by .* when values and coordinates of padding change"),
    Wide: ({}, r"alone: the latent of the sample with 17 points changes by .* by itself, without padding, on padded"),
    Ordered: ({"order_matters": False}, r"order: the latent changes by .* when points change places"),
    Random: ({}, r"repeatable: in evaluation mode two results differ"),
    PlainAttribute: ({}, r"state: another result after state_dict\(\) → file → load_state_dict\(\)"),
    InPlace: ({}, r"inputs: forward\(\) changed its arguments on a grid of 16 points"),
    GridOnly: ({"takes": ["scattered"]}, r"takes: takes=\('scattered',\) of an encoder with needs_grid = True"),
}


@pytest.mark.parametrize("cls", ENCODERS, ids=lambda cls: cls.__name__)
def test_wrong_encoders_are_refused(cls: type[Encoder]) -> None:
    declared, message = ENCODERS[cls]
    with pytest.raises(ConformanceError, match=message) as caught:
        check_encoder(cls, **declared)
    assert "\n    cure: " in str(caught.value)


def test_an_encoder_that_cannot_be_built() -> None:
    def make(data: DataSpec, latent: LatentSpec) -> Encoder:
        if data.num_axes == 2 and data.grid_shape is None:
            raise KeyError("grid")
        return Means(data, latent)

    with pytest.raises(ConformanceError, match=r"construction: KeyError \('grid'\) for 24 scattered points, axes: 2"):
        check_encoder(make)


def test_a_right_encoder_passes() -> None:
    check_encoder(Means, order_matters=False)
    check_encoder(GridOnly)


class Layers(Approximator):
    """A right approximator."""

    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__()
        self.layer = nn.Linear(latent.dim, latent.dim)
        self.embed = nn.Linear(len(data.condition), latent.dim) if data.condition else None

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        shift = 0 if self.embed is None else self.embed(condition_BP).unsqueeze(1)
        return latent_BLD + torch.tanh(self.layer(latent_BLD) + shift)


class Unconditioned(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        return latent_BLD + torch.tanh(self.layer(latent_BLD))


class FirstConditionAlone(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        first = None if condition_BP is None else condition_BP[:, :1].expand_as(condition_BP)
        return super().forward(latent_BLD, first)


class FirstRow(Layers):
    """The conditions of the first sample, for all."""

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        return super().forward(latent_BLD, None if condition_BP is None else condition_BP[:1].expand_as(condition_BP))


class Summed(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        total = None if condition_BP is None else condition_BP.sum(dim=1, keepdim=True).expand_as(condition_BP)
        return super().forward(latent_BLD, total)


class Centred(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        centred = None if condition_BP is None else condition_BP - condition_BP.mean(dim=1, keepdim=True)
        return super().forward(latent_BLD, centred)


class Constant(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        return super().forward(latent_BLD, None if condition_BP is None else torch.ones_like(condition_BP))


class Normalised(Layers):
    """A softmax over an axis of one value."""

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        ones = None if condition_BP is None else condition_BP.unsqueeze(-1).softmax(dim=-1).squeeze(-1)
        return super().forward(latent_BLD, ones)


class Positions(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        return super().forward(latent_BLD, condition_BP) + torch.arange(latent_BLD.shape[1]).view(1, -1, 1)


class Fewer(Layers):
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        return super().forward(latent_BLD[:, 1:], condition_BP)


APPROXIMATORS: dict[type[Approximator], str] = {
    Unconditioned: r"every parameter: embed.weight, embed.bias got no gradient on .* conditions: time_step, viscosity",
    FirstConditionAlone: r"conditions: the result does not change with viscosity, for any weights, on latents of",
    FirstRow: r"rows: the result for row 2 changes by .* when other rows change",
    Summed: r"conditions: the result does not change when time_step and viscosity exchange their values, for any",
    Centred: r"conditions: the result does not change when time_step and viscosity grow together, for any",
    Constant: r"conditions: the result does not change with time_step, for any weights",
    Normalised: r"conditions: the result does not change with time_step, for any weights",
    Positions: r"order: the answer changes by .* when latent tokens change places",
    Fewer: r"shape: \(3, 4, 16\) on latents of data with 1 axes, conditions: none\n    expected: \(3, 5, 16\)",
}


@pytest.mark.parametrize("cls", APPROXIMATORS, ids=lambda cls: cls.__name__)
def test_wrong_approximators_are_refused(cls: type[Approximator]) -> None:
    with pytest.raises(ConformanceError, match=APPROXIMATORS[cls]):
        check_approximator(cls, order_matters=False)


def test_a_right_approximator_passes() -> None:
    check_approximator(Layers, order_matters=False)
    check_approximator(FirstConditionAlone, order_matters=False, uses_conditions=False)


class Sines(Decoder):
    """A right decoder."""

    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__()
        self.embed = nn.Linear(data.num_axes, latent.dim)
        self.mix = nn.Linear(latent.dim, latent.dim)
        self.head = nn.Linear(latent.dim, data.channels)

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        hidden_BQD = torch.sin(self.embed(coords_BQX) + self.mix(latent_BLD.mean(dim=1, keepdim=True)))
        decoded: Tensor = self.head(hidden_BQD)
        return decoded


class Running(Sines):
    """Depends on the query points before each."""

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        return super().forward(latent_BLD, coords_BQX.cumsum(dim=1))


class Neighbourly(Sines):
    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        return super().forward(latent_BLD, coords_BQX - coords_BQX.mean(dim=1, keepdim=True))


class Rounded(Sines):
    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        return super().forward(latent_BLD, (coords_BQX * 64).round() / 64)


class Targets(Sines):
    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        return super().forward(latent_BLD, coords_BQX)[..., :1]


DECODERS: dict[type[Decoder], str] = {
    Running: r"points: 3 query points get another result alone than together with others",
    Neighbourly: r"points: 1 query points get another result alone than together with others",
    Rounded: r"coordinates: no finite derivative of the result with respect to the coordinates",
    Targets: r"shape: \(3, 12, 1\) on 12 query points, data: a grid of 8 × 8 points\n    expected: \(3, 12, 3\)",
}


@pytest.mark.parametrize("cls", DECODERS, ids=lambda cls: cls.__name__)
def test_wrong_decoders_are_refused(cls: type[Decoder]) -> None:
    with pytest.raises(ConformanceError, match=DECODERS[cls]):
        check_decoder(cls)


def test_a_right_decoder_passes() -> None:
    check_decoder(Sines)
