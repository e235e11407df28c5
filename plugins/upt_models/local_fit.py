"""Scattered values → a lattice: around each token the polynomial that fits the points near to it, by least squares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from upt_core import Points

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
        token_RN: number of the token in a stack of R lattices; R = 1 where all rows share their points.
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


def local_fits(
    value_BNC: Tensor, points: Points, lattice: Sequence[int], periodic: Sequence[bool], degree: int
) -> Tensor:
    """Coefficients (B, L, P, C) of the polynomials that fit the values around each token best.

    Token j minimises ``Σ_i g(s_ij) (Σ_p c_jp φ_p(s_ij) − u_i)² + ridge · |c_j|²`` over the points i near to it, where
    s_ij is the point's offset in token spacings, g = Π cos²(πs/3) and φ_p are products of Legendre polynomials. Every
    point is heard; padding is not. Cost and memory are linear in N; no distances between points are computed.
    """
    rows = 1 if points.shared and points.mask_BN is None else points.batch_size
    count, width = math.prod(lattice), num_polynomials(len(lattice), degree)
    gram = value_BNC.new_zeros(rows * count, width * width)
    moment = value_BNC.new_zeros(len(value_BNC) * count, width * value_BNC.shape[-1])
    shift_B1 = torch.arange(len(value_BNC), device=value_BNC.device).unsqueeze(1) * count
    for near in _near(points, rows, lattice, periodic, degree):
        basis_RNP = near.basis_RNP.to(value_BNC.dtype)
        weighted_RNP = basis_RNP * near.weight_RN.unsqueeze(-1).to(value_BNC.dtype)
        gram.index_add_(0, near.token_RN.flatten(), _outer(weighted_RNP, basis_RNP).flatten(0, 1))
        token_BN = near.token_RN if rows > 1 else near.token_RN + shift_B1
        share_BNF = _outer(weighted_RNP, value_BNC[:, near.rows])
        moment = moment.index_add(0, token_BN.flatten(), share_BNF.flatten(0, 1))
    ridge_PP = RIDGE * torch.eye(width, device=gram.device, dtype=gram.dtype)
    factor, _ = torch.linalg.cholesky_ex(gram.view(rows, count, width, width) + ridge_PP)
    return torch.cholesky_solve(moment.view(len(value_BNC), count, width, -1), factor)


def _outer(left_RNP: Tensor, right_BNC: Tensor) -> Tensor:
    """Products of all pairs, flattened: (B, N, P · C)."""
    return (left_RNP.unsqueeze(-1) * right_BNC.unsqueeze(-2)).flatten(-2)


@torch.no_grad()
def _near(points: Points, rows: int, lattice: Sequence[int], periodic: Sequence[bool], degree: int) -> Iterator[Near]:
    """For each stretch of points, one after the other all of the tokens near to them."""
    first_R1 = torch.arange(rows, device=points.device).unsqueeze(1) * math.prod(lattice)
    for start in range(0, points.num_points, CHUNK):
        part = slice(start, start + CHUNK)
        coords_RNX = points.coords_BNX[:rows, part].float()
        mask_RN = None if points.mask_BN is None else points.mask_BN[:rows, part]
        for shifts in product((-1, 0, 1), repeat=len(lattice)):
            weight_RN, offsets = torch.ones_like(coords_RNX[..., 0]), []
            weight_RN = weight_RN if mask_RN is None else weight_RN * mask_RN
            token_of_RN = torch.zeros_like(first_R1)
            for axis, (tokens, wraps, shift) in enumerate(zip(lattice, periodic, shifts, strict=True)):
                place_RN = coords_RNX[..., axis] * tokens - 0.5
                token_RN = place_RN.round() + shift
                offsets.append(place_RN - token_RN)
                weight_RN = weight_RN * torch.cos(offsets[-1] * (math.pi / (2 * REACH))).square()
                if not wraps:
                    weight_RN = weight_RN * ((token_RN >= 0) & (token_RN < tokens))
                number_RN = token_RN.long() % tokens if wraps else token_RN.long().clamp(0, tokens - 1)
                token_of_RN = token_of_RN * tokens + number_RN
            basis_RNP = polynomials(torch.stack(offsets, dim=-1) / REACH, degree)
            yield Near(part, token_of_RN + first_R1, weight_RN, basis_RNP)


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
