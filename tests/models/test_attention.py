"""Attention: equal to the written-out formula, masks, heads."""

from __future__ import annotations

import pytest
import torch

from upt_models.attention import CrossAttention, SelfAttention, attend


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
