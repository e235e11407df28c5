"""Attention, full and linear: equal to the written-out formula, masks, heads."""

from __future__ import annotations

import pytest
import torch

from upt_models.attention import CrossAttention, SelfAttention, attend
from upt_models.linear_attention import linear_attention
from upt_models.rotary import RotaryWaves


def test_attention_is_the_formula() -> None:
    query, key, value = torch.randn(2, 5, 8), torch.randn(2, 7, 8), torch.randn(2, 7, 8)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = (query[..., part] @ key[..., part].transpose(1, 2) / 4**0.5).softmax(-1)
        heads.append(weights @ value[..., part])
    torch.testing.assert_close(attend(query, key, value, 2, None), torch.cat(heads, dim=-1))


def test_masked_tokens_are_not_seen() -> None:
    mask = torch.tensor([[True, True, True, False, False]])
    x, context = torch.randn(1, 4, 8), torch.randn(1, 5, 8)
    cross = CrossAttention(8, 8, heads=2)
    torch.testing.assert_close(cross(x, context, mask), cross(x, context[:, :3]))
    attention = SelfAttention(8, heads=2)
    torch.testing.assert_close(attention(context, mask)[:, :3], attention(context[:, :3]))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 8 cannot be shared by 3 attention heads"):
        SelfAttention(8, heads=3)
    with pytest.raises(ValueError, match="width 8 cannot be shared by 3 attention heads"):
        CrossAttention(8, 4, heads=3)


def tokens(count: int = 7, batch: int = 2) -> list[torch.Tensor]:
    return [torch.randn(batch, 3, count, 4) for _ in range(3)]


def test_linear_attention_is_the_mean_of_values_weighted_by_products_of_scaled_queries_and_keys() -> None:
    query, key, value = tokens()
    scaled = [x / x.square().mean(-1, keepdim=True).sqrt() for x in (query, key)]
    weight_BHLL = scaled[0] @ scaled[1].transpose(-1, -2) / 4**0.5
    torch.testing.assert_close(
        linear_attention(query, key, value, None), (weight_BHLL @ value) / 7, rtol=1e-4, atol=1e-5
    )


def test_linear_attention_hears_no_masked_token() -> None:
    query, key, value = tokens(5)
    mask_BL = torch.tensor([[True, True, True, False, False], [True] * 5])
    found = linear_attention(query, key, value, mask_BL)
    short = [x[:1, :, :3] for x in (query, key, value)]
    torch.testing.assert_close(found[:1, :, :3], linear_attention(*short, None))
    torch.testing.assert_close(found[1:], linear_attention(query[1:], key[1:], value[1:], None))
    none = linear_attention(query, key, value, torch.zeros(2, 5, dtype=torch.bool))
    assert torch.equal(none, torch.zeros_like(none))


def test_linear_attention_of_many_tokens_stays_in_the_range_of_float16() -> None:
    same = torch.ones(1, 1, 1 << 17, 4)
    found = linear_attention(same.half(), same.half(), 8 * same.half(), None)
    torch.testing.assert_close(found.float(), 16 * same, rtol=0.02, atol=0)


@pytest.mark.parametrize("periodic", [(True,), (False,), (True, False), (False, True, True)])
def test_waves_turn_products_by_the_distance_of_tokens_alone(periodic: tuple[bool, ...]) -> None:
    lattice = (6, 4, 3)[: len(periodic)]
    count = torch.tensor(lattice).prod().item()
    turn = RotaryWaves(lattice, periodic, heads=2, head_width=9)
    query, key = torch.randn(2, 9), torch.randn(2, 9)
    turned = [turn(x[None, :, None].expand(1, 2, count, 9)) for x in (query, key)]
    product_HVV = (turned[0] @ turned[1].transpose(-1, -2))[0].view(2, *lattice, *lattice)
    for axis, wraps in enumerate(periodic):
        shifted = product_HVV.roll((1, 1), (1 + axis, 1 + axis + len(lattice)))
        if not wraps:  # away from the seam, where the first token would follow the last
            for place in (1 + axis, 1 + axis + len(lattice)):
                shifted, inner = shifted.narrow(place, 1, lattice[axis] - 1), place
            expected = product_HVV.narrow(1 + axis, 1, lattice[axis] - 1).narrow(inner, 1, lattice[axis] - 1)
            torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-5)
        else:
            torch.testing.assert_close(shifted, product_HVV, rtol=0, atol=1e-5)


def test_waves_are_the_longest_and_each_has_one_pair() -> None:
    turn = RotaryWaves((8, 8), (True, False), heads=2, head_width=10)
    turns_HLP = torch.atan2(turn.sin_LF, turn.cos_LF)
    assert turns_HLP.shape == (2, 64, 5)
    assert not turns_HLP[0, :, 0].any()  # the mean
    distinct = {tuple(turns_HLP[head, :, pair].mul(1e3).round().tolist()) for head in range(2) for pair in range(5)}
    assert len(distinct) == 10


def test_waves_need_a_pair_in_each_head() -> None:
    with pytest.raises(ValueError, match="heads of width 1 cannot hold a wave; use fewer heads or a larger width, at"):
        RotaryWaves((4,), (True,), heads=4, head_width=1)
