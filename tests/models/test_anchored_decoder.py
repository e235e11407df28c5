"""Decoder with anchors: points by themselves, equal weights for anchors and points, exactly periodic, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import DataSpec, LatentSpec
from upt_models.anchored_decoder import AnchoredDecoder

Make = Callable[..., DataSpec]


def decoder_of(spec: DataSpec, latent: LatentSpec) -> AnchoredDecoder:
    return AnchoredDecoder(spec, latent, anchors=12)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("num_points", [1, 40])
def test_shapes(make_spec: Make, latent: LatentSpec, axes: int, num_points: int) -> None:
    decoder = AnchoredDecoder(make_spec(None, axes=axes), latent, anchors=5, width=24)
    assert decoder(torch.randn(2, 6, 16), torch.rand(2, num_points, axes)).shape == (2, num_points, 3)


def test_a_point_at_an_anchor_has_the_answer_of_the_anchors_alone(make_spec: Make, latent: LatentSpec) -> None:
    decoder, z = decoder_of(make_spec(), latent), torch.randn(2, 6, 16)
    x_BAD = decoder.embed(decoder.features(decoder.anchor_coords_AX)).expand(2, -1, -1)
    x_BAD = decoder.read(x_BAD, z + decoder.token_positions_LD)
    for block in decoder.blocks:
        x_BAD = block(x_BAD, x_BAD)
    alone_BAC = decoder.head(decoder.norm(x_BAD))
    answer_BAC = decoder(z, decoder.anchor_coords_AX.expand(2, -1, -1))
    torch.testing.assert_close(answer_BAC, alone_BAC)


def test_points_are_independent(make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_of(make_spec(), latent), torch.randn(2, 6, 16), torch.rand(2, 30, 2)
    whole = decoder(z, coords)
    torch.testing.assert_close(decoder(z, coords[:, 4:9]), whole[:, 4:9])
    order = torch.randperm(30)
    torch.testing.assert_close(decoder(z, coords[:, order]), whole[:, order])


def test_rows_do_not_influence_each_other(make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_of(make_spec(), latent), torch.randn(3, 6, 16), torch.rand(3, 9, 2)
    torch.testing.assert_close(decoder(z, coords)[1:2], decoder(z[1:2], coords[1:2]))
    shared = coords[:1].expand(3, -1, -1)
    torch.testing.assert_close(decoder(z, shared), decoder(z, shared.contiguous()))


def test_an_answer_depends_on_what_other_anchors_read(make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_of(make_spec(), latent), torch.randn(1, 6, 16), torch.rand(1, 1, 2)
    before = decoder(z, coords)
    with torch.no_grad():
        decoder.anchor_coords_AX[3] += 0.2
    assert (decoder(z, coords) - before).abs().max() > 1e-5


def test_periodic_axes_are_exactly_periodic(make_spec: Make, latent: LatentSpec) -> None:
    decoder = decoder_of(make_spec((8, 8), (True, False)), latent)
    z, coords = torch.randn(2, 6, 16), torch.randint(0, 256, (2, 40, 2)) / 256  # dyadic: adding 1 is exact
    shift = torch.tensor([1.0, 0.0])
    assert torch.equal(decoder(z, coords), decoder(z, coords + shift))
    assert not torch.allclose(decoder(z, coords), decoder(z, coords + shift.flip(0)), atol=1e-4)


def test_anchors_are_no_part_of_the_state(make_spec: Make, latent: LatentSpec) -> None:
    decoder = decoder_of(make_spec(), latent)
    other = AnchoredDecoder(make_spec(), latent, anchors=30)
    other.load_state_dict(decoder.state_dict())
    assert len(other.anchor_coords_AX) == 30


def test_messages(make_spec: Make, latent: LatentSpec) -> None:
    with pytest.raises(ValueError, match="built for points with 2 axes, but was given points with 3"):
        decoder_of(make_spec(), latent)(torch.randn(1, 6, 16), torch.rand(1, 5, 3))
    with pytest.raises(ValueError, match="anchors must be greater than 0; got 0"):
        AnchoredDecoder(make_spec(), latent, anchors=0)
    with pytest.raises(ValueError, match="width 16 cannot be shared by 5 attention heads"):
        AnchoredDecoder(make_spec(), latent, heads=5)
