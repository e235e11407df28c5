"""Fourier features: their number, exact periodicity, injectivity on open axes."""

from __future__ import annotations

import pytest
import torch

from upt_models.fourier import FourierFeatures


def test_two_open_axes_and_three_frequencies_give_fourteen_features() -> None:
    features = FourierFeatures((False, False), [1, 2, 4])
    assert features.num_features == 14
    assert features(torch.rand(3, 5, 2)).shape == (3, 5, 14)


def test_periodic_axes_have_no_plain_coordinate() -> None:
    features = FourierFeatures((True, False), [1, 2, 4])
    assert features.num_features == 13
    assert features(torch.rand(3, 5, 2)).shape == (3, 5, 13)


def test_periodic_axes_are_exactly_periodic() -> None:
    features = FourierFeatures((True, True), [1, 3, 16])
    coords = torch.randint(0, 1024, (1, 50, 2)) / 1024  # dyadic, so that adding 1 is exact in float32
    assert torch.equal(features(coords), features(coords + 1))
    assert torch.equal(features(coords), features(coords - 2))
    assert torch.equal(features(torch.zeros(1, 1, 2)), features(torch.ones(1, 1, 2)))


def test_open_axes_tell_their_ends_apart() -> None:
    features = FourierFeatures((False,), [2, 4])
    assert not torch.allclose(features(torch.zeros(1, 1, 1)), features(torch.ones(1, 1, 1)))


def test_features_are_the_formula() -> None:
    coords = torch.tensor([[[0.3]]])
    angle = torch.pi * torch.tensor([1.0, 2.0]) * 0.3
    expected = torch.cat([torch.tensor([-0.4]), angle.sin(), angle.cos()])
    torch.testing.assert_close(FourierFeatures((False,), [1, 2])(coords).flatten(), expected)
    torch.testing.assert_close(
        FourierFeatures((True,), [1, 2])(coords).flatten(), torch.cat([(2 * angle).sin(), (2 * angle).cos()])
    )


def test_features_are_float32_and_exact_in_a_half_precision_model() -> None:
    features = FourierFeatures((True, False), [1, 2, 8])
    coords = torch.rand(1, 9, 2)
    expected = features(coords)
    assert torch.equal(features.to(torch.bfloat16)(coords), expected)
    assert features(coords.half()).dtype == torch.float32


def test_points_with_other_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="built for points with 2 axes, but was given points with 1"):
        FourierFeatures((True, True), [1])(torch.rand(1, 4, 1))
