"""The first points of a Sobol sequence, scrambled at random: whole numbers of 53 bits, O(Q), on any device.

Point i of an axis is the sum modulo 2 of the *direction numbers* V_k of the set bits k of i (Sobol 1967). For the first
axis V_k is bit k behind the point (van der Corput); those of the others follow a recurrence (Joe and Kuo, SIAM J. Sci.
Comput. 30, 2008: the table new-joe-kuo-6.21201). *Scrambling* (Matoušek, J. Complexity 14, 1998) multiplies the bits of
all points of an axis by a random lower triangular matrix with ones on its diagonal, and adds a random shift, modulo 2.

*Uniform:* the shift is uniform over all numbers of 53 bits, and so is each point by itself, exactly.
*Still a net:* the matrix is invertible on the leading bits of any length and the shift permutes them, so elementary
intervals (products of dyadic ones) go to elementary intervals. On 1 and 2 axes each of volume 2^-m holds exactly one of
the first 2^m points; on 3 axes each of volume 2^(1-m) holds two.
*As good as Owen's scrambling:* two points whose bits first differ at bit r have equal bits before it, unequal ones at
it, and independent fair bits behind it, as under nested uniform scrambling. A variance is a matter of pairs, so it is
the same (Owen, ACM TOMACS 13, 2003): o(1/Q), and at Q = 2^m points on 2 axes never above twice that of independent
points, on 3 never above eight times (Pan and Owen, J. Complexity 75, 2023).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from upt_samplers.mathematics.integers import Coupling

BITS = 53
"""Of a point; as many as a float64 holds."""

_FIRST, _INNER = ((), (1,), (1, 3)), (0, 0, 1)
"""First odd numbers of each axis, and the coefficients of its primitive polynomial but for the outer two."""

MAX_AXES = len(_FIRST)


def scrambled_net(num_axes: int, count: int, batch: int, rng: torch.Generator, coupling: Coupling) -> Tensor:
    """The first ``count`` points for each row as whole numbers below 2^53, int64 (B, X, Q).

    Args:
        num_axes: 1 to 3.
        coupling: ``independent``: each row is scrambled by itself. ``latin``: one scrambled sequence for all; row j
            takes its points from number j · 2^m on, 2^m being the least power of two that is not below ``count``.
    """
    bits, together = (count - 1).bit_length(), coupling == "latin"
    rows, more = (1, (batch - 1).bit_length()) if together else (batch, 0)
    mask_XKG = _masks(num_axes, bits, more, rng.device)
    column_BXK1 = _matrices(rows, num_axes, mask_XKG.shape[1], rng).unsqueeze(-1)
    low_BXG, high_BXG, start_BXG = torch.split(_sum(column_BXK1 & mask_XKG), _groups(bits, more), dim=-1)
    shift_BX1 = torch.randint(2**BITS, (rows, num_axes, 1), generator=rng, device=rng.device)
    if together:
        shift_BX1 = shift_BX1 ^ start_BXG[0, :, :batch].t().unsqueeze(-1)
    point_BXQ = (high_BXG.unsqueeze(-1) ^ low_BXG.unsqueeze(-2)).flatten(-2)[..., :count]
    return point_BXQ ^ shift_BX1


def direction_numbers(num_axes: int, number: int) -> list[list[int]]:
    """V_0 … V_{number-1} of each axis as whole numbers of ``number`` bits, the first bit behind the point highest.

    For a primitive polynomial x^s + a_1 x^(s-1) + … + a_{s-1} x + 1, modulo 2:
    V_k = a_1 V_{k-1} + … + a_{s-1} V_{k-s+1} + V_{k-s} + V_{k-s} / 2^s.
    """
    found: list[list[int]] = []
    for first, inner in zip(_FIRST[:num_axes], _INNER, strict=False):
        degree = len(first)
        axis = [odd << number - 1 - k for k, odd in enumerate((first or (1,) * number)[:number])]
        for k in range(len(axis), number):
            axis.append(axis[k - degree] ^ axis[k - degree] >> degree)
            for j in range(1, degree):
                axis[k] ^= axis[k - j] * (inner >> degree - 1 - j & 1)
        found.append(axis)
    return found


def _matrices(rows: int, num_axes: int, number: int, rng: torch.Generator) -> Tensor:
    """The leading columns of a random matrix for each row and axis, (B, X, K).

    Column i, as a number of 53 bits, has bit i set (from the top), random bits below it, none above.
    """
    diagonal_K = 2 ** (BITS - 1 - torch.arange(number, device=rng.device))
    random_BXK = torch.randint(2**BITS, (rows, num_axes, number), generator=rng, device=rng.device)
    return (random_BXK & (diagonal_K - 1)) | diagonal_K


def _groups(bits: int, more: int) -> list[int]:
    """Numbers of points whose sums are all points: of the low half of i's bits, of the high half, where rows start."""
    return [2 ** (bits // 2), 2 ** (bits - bits // 2), 2**more]


@lru_cache(maxsize=256)
def _masks(num_axes: int, bits: int, more: int, device: torch.device) -> Tensor:
    """-1 where bit k (from the top) of a point of the groups is set, else 0, (X, K, G); K is a power of two."""
    low, high, start = (torch.arange(size, device=device) for size in _groups(bits, more))
    number_G = torch.cat([low, high << bits // 2, start << bits])
    used = bits + more
    mask_XKG = number_G.new_zeros(num_axes, 1 << (max(1, used) - 1).bit_length(), len(number_G))
    place_K1 = torch.arange(used - 1, -1, -1, device=device).unsqueeze(1)
    for mask_KG, directions in zip(mask_XKG, direction_numbers(num_axes, used), strict=True):
        for k, direction in enumerate(directions):
            mask_KG[:used] ^= (number_G >> k & 1) * (direction >> place_K1 & 1)
    return -mask_XKG


def _sum(value_BXKG: Tensor) -> Tensor:
    """The sum modulo 2, bit by bit, over K, a power of two: (B, X, G)."""
    while value_BXKG.shape[2] > 1:
        left, right = value_BXKG.chunk(2, dim=2)
        value_BXKG = left ^ right
    return value_BXKG.squeeze(2)
