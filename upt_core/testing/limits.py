"""Limits that random figures pass only with a chosen, small probability. Both hold for every sample size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_CERTAIN = 1e-7  # probabilities come from float32 weights


def frequency_alarm(frequency: Tensor, probability: Tensor, num_draws: int) -> Tensor:
    """Bound on the probability that a frequency lies this far from its probability or farther, elementwise.

    Chernoff: P(|X/R - p| as seen or more) ≤ 2 exp(-R KL(X/R, p)), for X a sum of R independent values in [0, 1].
    """
    frequency, probability = frequency.double(), probability.double().clamp(_CERTAIN, 1 - _CERTAIN)
    divergence = torch.xlogy(frequency, frequency / probability)
    divergence += torch.xlogy(1 - frequency, (1 - frequency) / (1 - probability))
    return (2 * torch.exp(-num_draws * divergence)).clamp_max(1)


def mean_limit(variance: Tensor, spread: Tensor, num_draws: int, alarm: float) -> Tensor:
    """How far the mean of R independent values may lie from its expectation, but for probability ``alarm``.

    Empirical Bernstein (Audibert, Munos, Szepesvári, Theor. Comput. Sci. 410 (2009) 1876, Theorem 1):
    sqrt(2 V log(3/δ) / R) + 3 b log(3/δ) / R with the sample variance V and the range b of the values.
    """
    log = math.log(3 / alarm)
    return (2 * variance * log / num_draws).sqrt() + 3 * spread * log / num_draws
