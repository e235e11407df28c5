"""The sums of a local fit as one sparse matrix for each point set, found once: over twenty times faster."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core import Need, Points, is_constant
from upt_models.local_fit import LocalFits, num_polynomials

MAX_ENTRIES = 1 << 23
"""Largest matrix that is kept (64 MiB): 150,000 points in two dimensions with polynomials of degree 2. Sums over more
points are taken stretch by stretch, so that memory stays bounded."""


@dataclass(frozen=True)
class FitSums(Need):
    """The matrix (L · P, N) that takes values at points to the right-hand sides of the normal equations of ``fits``.

    Its rows are compressed: ``row_M`` says where each begins, ``point_E`` and ``weight_E`` hold its entries. All three
    are empty where the matrix would be larger than ``MAX_ENTRIES``.
    """

    fits: LocalFits

    def compute(self, points: Points) -> tuple[Tensor, ...]:
        """row_M (L · P + 1), point_E and weight_E of one sample."""
        lattice, width = self.fits.lattice, num_polynomials(len(self.fits.lattice), self.fits.degree)
        device = points.device
        if points.num_points * width * 3 ** len(lattice) > MAX_ENTRIES:
            return tuple(
                torch.empty(0, dtype=kind, device=device) for kind in (torch.int32, torch.int32, torch.float32)
            )
        rows, columns, weights = [], [], []
        for near in self.fits.near(points):
            heard_N = near.weight_RN[0] > 0
            number_N = torch.arange(points.num_points, device=device)[near.rows][heard_N]
            rows.append((near.token_RN[0][heard_N, None] * width + torch.arange(width, device=device)).flatten())
            columns.append(number_N.unsqueeze(-1).expand(-1, width).flatten())
            weights.append((near.basis_RNP[0] * near.weight_RN[0].unsqueeze(-1))[heard_N].flatten())
        row_E, order_E = torch.cat(rows).sort(stable=True)
        count_M = torch.bincount(row_E, minlength=self.fits.count * width)
        row_M = torch.cat([count_M.new_zeros(1), count_M.cumsum(0)])
        return row_M.int(), torch.cat(columns)[order_E].int(), torch.cat(weights)[order_E]

    def take(self, value_BNC: Tensor, points: Points) -> Tensor | None:
        """The sums (B, L · P, C); None where they are to be taken stretch by stretch.

        That is where there is no matrix, where a derivative goes through the values, while a program is traced or its
        memory estimated, and on devices other than the CPU where rows have points of their own.
        """
        if value_BNC.device.type not in ("cpu", "cuda") or torch.compiler.is_compiling() or value_BNC.requires_grad:
            return None
        shared = points.shared and points.mask_BN is None
        if not shared and value_BNC.device.type != "cpu":
            return None
        row_BM, point_BE, weight_BE = points.get(self)
        if row_BM.shape[1] == 0 or not is_constant(value_BNC):  # after the matrix: it counts in an estimate of memory
            return None
        if shared:
            matrix = _matrix(row_BM[0], point_BE[0], weight_BE[0].to(value_BNC.dtype), points.num_points)
            batch, _, channels = value_BNC.shape
            sum_MF: Tensor = matrix @ value_BNC.movedim(0, 1).flatten(1)
            return sum_MF.view(-1, batch, channels).movedim(1, 0)
        parts = []
        for row_M, point_E, weight_E, value_NC in zip(row_BM, point_BE, weight_BE, value_BNC, strict=True):
            size = int(row_M[-1])  # what follows pads the batch
            matrix = _matrix(row_M, point_E[:size], weight_E[:size].to(value_BNC.dtype), points.num_points)
            parts.append(matrix @ value_NC)
        return torch.stack(parts)


def _matrix(row_M: Tensor, point_E: Tensor, weight_E: Tensor, num_points: int) -> Tensor:
    with warnings.catch_warnings():  # torch says that such matrices are in beta, and that it does not check them
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(row_M, point_E, weight_E, (len(row_M) - 1, num_points), check_invariants=False)
