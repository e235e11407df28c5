"""What the decoder with anchors adds to ``perceiver``: equal weights for anchors and points, and messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import DataSpec, LatentSpec
from upt_models.anchored_decoder import AnchoredDecoder

Make = Callable[..., DataSpec]


def decoder_of(spec: DataSpec, latent: LatentSpec) -> AnchoredDecoder:
    return AnchoredDecoder(spec, latent, anchors=12)


def test_a_point_at_an_anchor_has_the_answer_of_the_anchors_alone(make_spec: Make, latent: LatentSpec) -> None:
    decoder, z = decoder_of(make_spec(), latent), torch.randn(2, 6, 16)
    x_BAD = decoder.embed(decoder.features(decoder.anchor_coords_AX)).expand(2, -1, -1)
    x_BAD = decoder.blocks[0](x_BAD, z + decoder.token_positions_LD)
    for block in list(decoder.blocks)[1:]:
        x_BAD = block(x_BAD, x_BAD)
    alone_BAC = decoder.head(decoder.norm(x_BAD))
    answer_BAC = decoder(z, decoder.anchor_coords_AX.expand(2, -1, -1))
    torch.testing.assert_close(answer_BAC, alone_BAC)


def test_an_answer_depends_on_what_other_anchors_read(make_spec: Make, latent: LatentSpec) -> None:
    decoder, z, coords = decoder_of(make_spec(), latent), torch.randn(1, 6, 16), torch.rand(1, 1, 2)
    before = decoder(z, coords)
    with torch.no_grad():
        decoder.anchor_coords_AX[3] += 0.2
    assert (decoder(z, coords) - before).abs().max() > 1e-5


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
    with pytest.raises(ValueError, match="depth must be greater than 0; got 0"):
        AnchoredDecoder(make_spec(), latent, depth=0)
