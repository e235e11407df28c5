from __future__ import annotations

import pytest
import torch

from upt_core import Step
from upt_losses.latent_diversity import LatentDiversity
from upt_losses.latent_norm import LatentNorm


class Fixed(Step):
    """A step whose latents are given."""

    def __init__(self, latent_BLD: torch.Tensor) -> None:
        self.latent_BLD = latent_BLD

    def latent(self, time: int = 0) -> torch.Tensor:
        return self.latent_BLD * (1 + time)


def test_without_a_limit_the_norm_is_the_mean_square():
    latent_BLD = torch.randn(4, 5, 6)
    torch.testing.assert_close(LatentNorm()(Fixed(latent_BLD)), latent_BLD.square().mean())
    torch.testing.assert_close(LatentNorm(of="predicted")(Fixed(latent_BLD)), 4 * latent_BLD.square().mean())


def test_tokens_below_the_limit_cost_nothing():
    latent_BLD = torch.ones(1, 2, 4)
    latent_BLD[0, 1] = 3.0
    torch.testing.assert_close(LatentNorm(limit=1.0)(Fixed(latent_BLD)), torch.tensor(2.0))  # (3 − 1)² of two tokens
    assert LatentNorm(limit=3.0)(Fixed(latent_BLD)) == 0


def test_a_latent_of_zeros_has_a_finite_gradient():
    for term in (LatentNorm(), LatentDiversity()):
        latent_BLD = torch.zeros(1, 2, 4, requires_grad=True)
        term(Fixed(latent_BLD)).backward()
        assert latent_BLD.grad.isfinite().all()


def test_diversity_is_zero_of_orthogonal_tokens_and_one_of_parallel_ones():
    assert LatentDiversity()(Fixed(torch.eye(4).unsqueeze(0) * 7)) == 0
    parallel_BLD = torch.randn(2, 1, 6) * torch.tensor([1.0, -2.0, 5.0]).view(1, 3, 1)
    torch.testing.assert_close(LatentDiversity()(Fixed(parallel_BLD)), torch.tensor(1.0))


def test_diversity_is_the_mean_squared_cosine_of_pairs():
    latent_BLD = torch.randn(2, 4, 6)
    cosines = [
        torch.cosine_similarity(latent_BLD[b, i], latent_BLD[b, j], dim=0)
        for b in range(2)
        for i in range(4)
        for j in range(4)
        if i != j
    ]
    torch.testing.assert_close(LatentDiversity()(Fixed(latent_BLD)), torch.stack(cosines).square().mean())


def test_diversity_keeps_the_welch_bound():
    angles = torch.arange(3) * 2 * torch.pi / 3  # three lines at equal angles in the plane: the best there is
    best_BLD = torch.stack([angles.cos(), angles.sin()], dim=-1).unsqueeze(0)
    torch.testing.assert_close(LatentDiversity()(Fixed(best_BLD)), torch.tensor((3 - 2) / (2 * (3 - 1))))


def test_they_call_no_decoder(world):
    small = world("points")
    step = small.step()
    LatentNorm()(step), LatentDiversity()(step)
    assert small.calls == (1, 0, 0)
    LatentDiversity(of="predicted")(step)
    assert small.calls == (1, 1, 0)


def test_a_single_token_is_refused():
    with pytest.raises(ValueError, match=r"latent_diversity compares latent tokens, but the latent has only one"):
        LatentDiversity()(Fixed(torch.ones(2, 1, 4)))


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match=r"limit must be at least 0.0; got -1"):
        LatentNorm(limit=-1)
    for term in (LatentNorm, LatentDiversity):
        with pytest.raises(ValueError, match=r"of expected 'current' or 'predicted'; got 'next'"):
            term(of="next")
