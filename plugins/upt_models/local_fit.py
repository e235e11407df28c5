"""Scattered values → a lattice: around each token the polynomial that fits the points near to it, by least squares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from upt_core import Need, Points
from upt_models.near_tokens import row_major

REACH = 1.5
"""A token hears points up to so many token spacings away along each axis, so that each point is heard by three."""
RIDGE = 0.01
"""Pull of the coefficients towards 0, in points: a token with few points near leans on them, one with none gives 0."""
CHUNK = 1 << 16
"""Points taken at a time, so that memory beyond the values themselves stays bounded for any number of points."""


@dataclass(frozen=True, eq=False)
class Near:
    """Of a stretch of points, one of the 3^X tokens near to each.

    Args:
        rows: the points' numbers, a slice of N.
        token_RN: number of the token; R = 1 where all rows share their points.
        weight_RN: smooth weight, 0 from ``REACH`` on, at padding, and where there is no token.
        basis_RNP: the polynomials at the point, seen from the token.
    """

    rows: slice
    token_RN: Tensor
    weight_RN: Tensor
    basis_RNP: Tensor


def num_polynomials(num_axes: int, degree: int) -> int:
    """P, the number of polynomials in X variables up to a total degree."""
    return math.comb(num_axes + degree, degree)


@dataclass(frozen=True)
class LocalFits(Need):
    """How the points near to each token of a lattice weigh against each other in a local fit.

    Token j minimises ``Σ_i g(s_ij) (Σ_p c_jp φ_p(s_ij) − u_i)² + ridge · |c_j|²`` over the points i near to it, where
    s_ij is the point's offset in token spacings, g = Π cos²(πs/3) and φ_p are products of Legendre polynomials. The
    answer is the inverse (L, P, P) of the matrix of these normal equations. Cost is linear in the points; no distances
    between points are computed.

    Args:
        lattice: tokens along each axis.
        periodic: for each axis, whether it wraps around.
        degree: highest total degree of the polynomials.
    """

    lattice: tuple[int, ...]
    periodic: tuple[bool, ...]
    degree: int

    @property
    def count(self) -> int:
        """L, the number of tokens."""
        return math.prod(self.lattice)

    def compute(self, points: Points) -> tuple[Tensor, ...]:
        """inverse_LPP of one sample, in float32."""
        count, width = math.prod(self.lattice), num_polynomials(len(self.lattice), self.degree)
        gram = torch.zeros(count, width * width, device=points.device)
        for near in self.near(points):
            weighted_RNP = near.basis_RNP * near.weight_RN.unsqueeze(-1)
            gram.index_add_(0, near.token_RN.flatten(), _outer(weighted_RNP, near.basis_RNP).flatten(0, 1))
        ridge_PP = RIDGE * torch.eye(width, device=points.device)
        factor, _ = torch.linalg.cholesky_ex(gram.view(count, width, width) + ridge_PP)
        return (torch.cholesky_inverse(factor),)

    def solve(self, moment_BMC: Tensor, points: Points) -> Tensor:
        """Coefficients (B, L, P, C) of the polynomials, from the right-hand sides (B, L · P, C)."""
        (inverse_BLPP,) = points.get(self)
        batch, count, width, _ = inverse_BLPP.shape
        return inverse_BLPP.to(moment_BMC.dtype) @ moment_BMC.reshape(batch, count, width, -1)

    def sums(self, value_BNC: Tensor, points: Points) -> Tensor:
        """The right-hand sides (B, L · P, C) for values at the points, stretch by stretch; padding is not heard."""
        batch, width = value_BNC.shape[0], num_polynomials(len(self.lattice), self.degree)
        moment = value_BNC.new_zeros(batch * self.count, width * value_BNC.shape[-1])
        first_B1 = torch.arange(batch, device=value_BNC.device).unsqueeze(1) * self.count
        for near in self.near(points):
            weighted_RNP = (near.basis_RNP * near.weight_RN.unsqueeze(-1)).to(value_BNC.dtype)
            token_BN = near.token_RN + first_B1
            share_BNF = _outer(weighted_RNP, value_BNC[:, near.rows])
            moment = moment.index_add(0, token_BN.flatten(), share_BNF.flatten(0, 1))
        return moment.view(batch, self.count * width, -1)

    def fit(self, value_BNC: Tensor, points: Points) -> Tensor:
        """Coefficients (B, L, P, C) of the polynomials that fit the values around each token best.

        Every point is heard; padding is not.
        """
        return self.solve(self.sums(value_BNC, points), points)

    @torch.no_grad()
    def near(self, points: Points) -> Iterator[Near]:
        """For each stretch of points, one after the other all of the tokens near to them."""
        rows = 1 if points.shared and points.mask_BN is None else points.batch_size
        for part in stretches(points.num_points):
            coords_RNX = points.coords_BNX[:rows, part].float()
            mask_RN = None if points.mask_BN is None else points.mask_BN[:rows, part]
            for shifts in product((-1, 0, 1), repeat=len(self.lattice)):
                token_RN, weight_RN, offset_RNX = self._token(coords_RNX, shifts)
                weight_RN = weight_RN if mask_RN is None else weight_RN * mask_RN
                yield Near(part, token_RN, weight_RN, polynomials(offset_RNX / REACH, self.degree))

    def _token(self, coords_RNX: Tensor, shifts: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """The token so many places from the nearest one: its number, weight, and the offset of the points from it."""
        weight_RN, numbers, offsets = torch.ones_like(coords_RNX[..., 0]), [], []
        for axis, (tokens, wraps, shift) in enumerate(zip(self.lattice, self.periodic, shifts, strict=True)):
            place_RN = coords_RNX[..., axis] * tokens - 0.5
            token_RN = place_RN.round() + shift
            offsets.append(place_RN - token_RN)
            weight_RN = weight_RN * torch.cos(offsets[-1] * (math.pi / (2 * REACH))).square()
            if not wraps:
                weight_RN = weight_RN * ((token_RN >= 0) & (token_RN < tokens))
            numbers.append(token_RN.long() % tokens if wraps else token_RN.long().clamp(0, tokens - 1))
        return row_major(numbers, self.lattice), weight_RN, torch.stack(offsets, dim=-1)


def stretches(num_points: int) -> Iterator[slice]:
    """Stretches of ``CHUNK`` points; all at once in a program that is traced, as it is for any number of points."""
    if torch.compiler.is_exporting():
        yield slice(None)
        return
    for start in range(0, num_points, CHUNK):
        yield slice(start, start + CHUNK)


def _outer(left_RNP: Tensor, right_BNC: Tensor) -> Tensor:
    """Products of all pairs, flattened: (B, N, P · C)."""
    return (left_RNP.unsqueeze(-1) * right_BNC.unsqueeze(-2)).flatten(-2)


def polynomials(place_RNX: Tensor, degree: int) -> Tensor:
    """Products of Legendre polynomials along the axes up to a total degree, of places in [−1, 1]: (R, N, P)."""
    legendre = [torch.ones_like(place_RNX), place_RNX]
    for order in range(1, degree):
        legendre.append(((2 * order + 1) * place_RNX * legendre[order] - order * legendre[order - 1]) / (order + 1))
    found = []
    for orders in product(range(degree + 1), repeat=place_RNX.shape[-1]):
        if sum(orders) <= degree:
            value_RN = torch.ones_like(place_RNX[..., 0])
            for axis, order in enumerate(orders):
                value_RN = value_RN * legendre[order][..., axis] if order else value_RN
            found.append(value_RN)
    return torch.stack(found, dim=-1)
