"""Blocks: shapes, the condition without effect at first, rows of a cross block independent."""

from __future__ import annotations

import torch

from upt_models.blocks import CrossBlock, SelfBlock


def test_condition_starts_without_effect_and_then_acts() -> None:
    block = SelfBlock(16, heads=2, mlp_ratio=2.0, conditioned=True)
    x, condition = torch.randn(2, 5, 16), torch.randn(2, 16)
    plain = block(x)
    torch.testing.assert_close(block(x, condition), plain)
    assert block.modulation is not None
    torch.nn.init.normal_(block.modulation.linear.weight)
    assert not torch.allclose(block(x, condition), plain)


def test_condition_of_one_row_stays_in_that_row() -> None:
    block = SelfBlock(16, heads=2, mlp_ratio=2.0, conditioned=True)
    assert block.modulation is not None
    torch.nn.init.normal_(block.modulation.linear.weight)
    x, condition = torch.randn(2, 5, 16), torch.randn(2, 16)
    changed = condition.clone()
    changed[1] += 1
    before, after = block(x, condition), block(x, changed)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_rows_of_a_cross_block_are_independent() -> None:
    block = CrossBlock(16, 8, heads=2, mlp_ratio=2.0)
    x, context = torch.randn(2, 5, 16), torch.randn(2, 3, 8)
    torch.testing.assert_close(block(x[:, 1:3], context), block(x, context)[:, 1:3])


def test_mlp_ratio_sets_the_hidden_size() -> None:
    assert SelfBlock(16, heads=2, mlp_ratio=1.5).mlp.inner.out_features == 24
