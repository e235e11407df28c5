"""Sampler and loss term keep the contract of their kinds, and do what they say."""
# ruff: noqa: D103 (the names say it)

from __future__ import annotations

import pytest
import torch
from upt_example.halton import Halton, radical_inverse
from upt_example.pinball import Pinball

from upt_core import Points, Progress
from upt_core.testing import check_installed, check_loss, check_sampler


def test_halton_keeps_the_contract() -> None:
    """Chance that it fails although it is right: 1e-6."""
    check_sampler(Halton(), distinct=False)


def test_pinball_keeps_the_contract() -> None:
    check_loss(Pinball(), optimum=True, unbiased=True)


def test_both_are_installed() -> None:
    check_installed("sampler", "halton", Halton)
    check_installed("loss", "pinball", Pinball)


def test_the_sequence_is_that_of_halton() -> None:
    cpu = torch.device("cpu")
    assert radical_inverse(6, 2, cpu).tolist() == [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8]
    expected = torch.tensor([0, 1 / 3, 2 / 3, 1 / 9, 4 / 9], dtype=torch.float64)
    torch.testing.assert_close(radical_inverse(5, 3, cpu), expected)


def test_means_vary_less_than_those_of_independent_points() -> None:
    axis = torch.linspace(0, 1, 32)
    coords = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, -1, 2).expand(256, -1, -1)
    queries = Halton().draw(Points(coords, (32, 32)), 64, torch.Generator().manual_seed(0), Progress())
    assert queries.index_BQ is not None
    value_B = coords[0].prod(dim=-1)[queries.index_BQ].mean(dim=1)
    independent = coords[0].prod(dim=-1).std() / 64**0.5
    assert value_B.std() < independent / 2


@pytest.mark.parametrize("quantile", [0, 1, -0.5])
def test_quantiles_outside_are_refused(quantile: float) -> None:
    with pytest.raises(ValueError, match=rf"Pinball: quantile must be (greater|less) than [01].0; got {quantile}"):
        Pinball(quantile)


def test_no_query_points_are_refused() -> None:
    with pytest.raises(ValueError, match="Halton: num_queries must be at least 1; got 0"):
        Halton(0)
