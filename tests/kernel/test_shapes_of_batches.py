"""Shapes that would broadcast to a wrong number are refused, where tensors enter upt by hand."""

from __future__ import annotations

import pytest
import torch

from upt_core import Batch, Points, Queries

POINTS = Points(torch.rand(4, 4, 1))


@pytest.mark.parametrize(
    ("given", "target"),
    [((4, 4, 1), (4, 4, 1)), ((4, 4), (4, 1, 4, 1)), ((3, 4, 1), (4, 1, 4, 1)), ((1, 4, 1), (1, 4, 1))],
)
def test_a_batch_with_other_axes_is_refused(given: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"inputs of shape .* and targets of shape .*; target.unsqueeze\(1\) makes one"
    ):
        Batch(torch.rand(given), torch.rand(target), POINTS)


def test_a_mean_of_other_values_is_refused() -> None:
    queries = Queries(torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"\(1, 5\) are not one for each query point; expected \(1, 3\)"):
        queries.mean(torch.rand(1, 5))
    with pytest.raises(ValueError, match=r"\(1, 3, 1\) have more axes than \(samples, query points\); take the mean"):
        queries.mean(torch.rand(1, 3, 1))
    assert queries.mean(torch.ones(1, 3)) == 1
    assert Queries(torch.zeros(1, 3, dtype=torch.long)).mean(torch.ones(1, 3, 2)) == 1
    assert Queries().mean(torch.ones(1, 3)) == 1
