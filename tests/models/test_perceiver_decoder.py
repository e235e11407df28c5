"""Any-point decoders, plain and with anchors: any number of points, each by itself, exactly periodic, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import DataSpec, LatentSpec
from upt_models.anchored_decoder import AnchoredDecoder
from upt_models.perceiver_decoder import PerceiverDecoder

Make = Callable[..., DataSpec]
Type = type[PerceiverDecoder]


@pytest.fixture(params=[PerceiverDecoder, AnchoredDecoder])
def decoder_type(request: pytest.FixtureRequest) -> Type:
    found: Type = request.param
    return found


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("num_points", [1, 7, 100])
def test_shapes(decoder_type: Type, make_spec: Make, latent: LatentSpec, axes: int, num_points: int) -> None:
    decoder = decoder_type(make_spec(None, axes=axes), latent, width=24)
    assert decoder(torch.randn(2, 6, 16), torch.rand(2, num_points, axes)).shape == (2, num_points, 3)


def test_points_are_independent(decoder_type: Type, make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_type(make_spec(), latent), torch.randn(2, 6, 16), torch.rand(2, 30, 2)
    whole = decoder(z, coords)
    torch.testing.assert_close(decoder(z, coords[:, 4:9]), whole[:, 4:9])
    order = torch.randperm(30)
    torch.testing.assert_close(decoder(z, coords[:, order]), whole[:, order])


def test_rows_do_not_influence_each_other(decoder_type: Type, make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_type(make_spec(), latent), torch.randn(3, 6, 16), torch.rand(3, 9, 2)
    torch.testing.assert_close(decoder(z, coords)[1:2], decoder(z[1:2], coords[1:2]))


def test_shared_coordinates_give_the_same_as_own_ones(decoder_type: Type, make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_type(make_spec(), latent), torch.randn(3, 6, 16), torch.rand(1, 9, 2)
    shared = coords.expand(3, -1, -1)
    torch.testing.assert_close(decoder(z, shared), decoder(z, shared.contiguous()))


def test_periodic_axes_are_exactly_periodic(decoder_type: Type, make_spec: Make, latent: LatentSpec) -> None:
    decoder = decoder_type(make_spec((8, 8), (True, False)), latent)
    z, coords = torch.randn(2, 6, 16), torch.randint(0, 256, (2, 40, 2)) / 256  # dyadic: adding 1 is exact
    shift = torch.tensor([1.0, 0.0])
    assert torch.equal(decoder(z, coords), decoder(z, coords + shift))
    assert not torch.allclose(decoder(z, coords), decoder(z, coords + shift.flip(0)), atol=1e-4)


def test_the_answer_depends_on_the_point(decoder_type: Type, make_spec: Make, latent: LatentSpec) -> None:
    decoded = decoder_type(make_spec(), latent)(torch.randn(1, 6, 16), torch.rand(1, 50, 2))
    assert (decoded.std(dim=1) > 1e-3).all()


def test_messages(make_spec: Make, latent: LatentSpec) -> None:
    with pytest.raises(ValueError, match="built for points with 2 axes, but was given points with 3"):
        PerceiverDecoder(make_spec(), latent)(torch.randn(1, 6, 16), torch.rand(1, 5, 3))
    with pytest.raises(ValueError, match="depth must be greater than 0; got 0"):
        PerceiverDecoder(make_spec(), latent, depth=0)
    with pytest.raises(ValueError, match="width 16 cannot be shared by 5 attention heads"):
        PerceiverDecoder(make_spec(), latent, heads=5)
    with pytest.raises(ValueError, match="frequencies must be greater than 0; got 0"):
        PerceiverDecoder(make_spec(), latent, frequencies=[0])
