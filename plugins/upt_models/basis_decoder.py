"""Decoder that is linear in the latent: local basis functions around tokens on a lattice, smoothly joined."""

from __future__ import annotations

import math
from functools import reduce
from itertools import product

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from upt_core import DataSpec, Decoder, LatentSpec
from upt_models.checks import check_axes
from upt_models.initialise import initialise, scale_
from upt_models.lattice import lattice_of
from upt_models.lattice_approximator import per_axis
from upt_models.near_tokens import near_tokens, row_major, take_tokens

WHAT = "decoder 'basis'"


class BasisDecoder(Decoder):
    """Each token spans a few smooth functions around its place: (B, L, D) and (B, Q, X) → (B, Q, C).

    Token j has coefficients c_j = W z_j + b. With s_j, a point's distance from the token in token spacings along an
    axis, the output is

        Σ_j g(s_j) Σ_k c_jk φ_k(s_j),    g(s) = (1 + cos πs) / 2,    φ = 1, sin πs/2, cos πs/2, sin πs, cos πs, …

    over the two nearest tokens along each axis, with products over axes. The weights g of the two add up to 1, also at
    open ends, where only the outermost token acts: a smooth partition of unity. So the output and its first derivative
    are continuous, and periodic along periodic axes. The output is linear in the latent, which makes reconstruction
    easy to learn and leaves everything nonlinear to the approximator. A query costs one dot product for each near
    token, for any number of tokens.

    Trap: if it is trained only at grid points, it is wrong between them; the sampler ``jittered`` moves points off the
    grid. Needs ``latent.tokens`` as a list.

    Args:
        functions: basis functions of a token along each axis, one number for all axes or one for each. Good: one more
            than the points of a patch, 5 for 4 points; more functions are less constrained between the points of the
            data.
    """

    def __init__(self, data: DataSpec, latent: LatentSpec, *, functions: PositiveInt | list[PositiveInt] = 5) -> None:
        super().__init__()
        self.lattice, self.periodic, self.channels = lattice_of(WHAT, data, latent), data.periodic, data.channels
        self.functions = per_axis("functions", functions, data.num_axes)
        self.coefficients = nn.Linear(latent.dim, data.channels * math.prod(self.functions))
        initialise(self)
        scale_([self.coefficients], math.prod(self.functions) ** -0.5)

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC, all channels of ``DataSpec.fields``, normalised.

        Raises:
            ValueError: the query points have another number of axes than the data set.
        """
        check_axes(WHAT, len(self.lattice), coords_BQX.shape[-1])
        coefficient_BLF = self.coefficients(latent_BLD)
        near = [near_tokens(coords_BQX[..., axis], n, self.periodic[axis]) for axis, n in enumerate(self.lattice)]
        bases = [
            basis(own.offset_BQS, functions) * own.weight_BQS.unsqueeze(-1)
            for own, functions in zip(near, self.functions, strict=True)
        ]
        parts_BQC = []
        for sides in product((0, 1), repeat=len(near)):
            index_BQ = row_major(
                [own.index_BQS[..., side] for own, side in zip(near, sides, strict=True)], self.lattice
            )
            basis_BQK = reduce(_products, [own_BQSK[:, :, side] for own_BQSK, side in zip(bases, sides, strict=True)])
            taken_BQF = take_tokens(coefficient_BLF, index_BQ)
            taken_BQCK = taken_BQF.view(*taken_BQF.shape[:2], self.channels, -1)
            parts_BQC.append((taken_BQCK * basis_BQK.unsqueeze(-2)).sum(dim=-1))
        return torch.stack(parts_BQC).sum(dim=0)


def _products(left_BQK: Tensor, right_BQK: Tensor) -> Tensor:
    """All products of a function of one axis with one of the next."""
    return (left_BQK.unsqueeze(-1) * right_BQK.unsqueeze(-2)).flatten(-2)


def basis(offset_BQS: Tensor, functions: int) -> Tensor:
    """1, sin πs/2, cos πs/2, sin πs, cos πs, … of offsets s: (B, Q, S, K)."""
    values = [torch.ones_like(offset_BQS)]
    for number in range(1, functions):
        angle_BQS = offset_BQS * (math.pi / 2 * ((number + 1) // 2))
        values.append(angle_BQS.sin() if number % 2 else angle_BQS.cos())
    return torch.stack(values, dim=-1)
