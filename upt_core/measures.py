"""How much of space each point stands for: the cells of stretched and curvilinear grids, and of meshes of simplices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def grid_measure(coords_NX: Tensor, shape: Sequence[int]) -> Tensor:
    """Area or volume around each point of a grid that is stretched or curvilinear, (N,) float64.

    The area of the images of the index cells: |det ∂x/∂i| by differences of second order, half of it at each side.
    Along one axis these are the weights of the trapezoidal rule; their sum is the domain's size, exactly for grids of
    axes, and to second order in the grid step for curved ones.

    Points that coincide with their neighbours, as at a pole, have 0.

    Args:
        coords_NX: physical coordinates, row-major.
        shape: points along each of the X axes, at least 2.

    Raises:
        ValueError: the points are not as many, or an axis has a single point.
    """
    if math.prod(shape) != len(coords_NX) or len(shape) != coords_NX.shape[1] or min(shape) < 2:
        raise ValueError(
            f"a grid of {' × '.join(map(str, shape))} points does not fit {len(coords_NX)} points with "
            f"{coords_NX.shape[1]} coordinates; expected as many points, one axis for each coordinate, and at least 2 "
            "points along each axis"
        )
    coords_GX = coords_NX.double().reshape(*shape, -1)
    axes = tuple(range(len(shape)))
    slopes = [torch.gradient(coords_GX, dim=axis)[0] for axis in axes]
    measure_G = torch.linalg.det(torch.stack(slopes, dim=-1)).abs()
    for axis in axes:
        half = torch.ones(shape[axis], dtype=torch.float64)
        half[0] = half[-1] = 0.5
        measure_G = measure_G * half.reshape(*(-1 if other == axis else 1 for other in axes))
    measure_N: Tensor = measure_G.flatten()
    return measure_N


def simplex_measure(coords_NX: Tensor, cells_MK: Tensor) -> Tensor:
    """Length, area or volume of segments (K = 2), triangles (3) or tetrahedra (4), (M,) float64, in any space.

    Args:
        coords_NX: coordinates of the nodes; triangles may lie on a surface in space.
        cells_MK: numbers of each cell's nodes.
    """
    corner_MKX = coords_NX.double()[cells_MK]
    edge_MEX = corner_MKX[:, 1:] - corner_MKX[:, :1]
    gram_MEE = edge_MEX @ edge_MEX.transpose(1, 2)
    size_M: Tensor = torch.linalg.det(gram_MEE).clamp_min(0).sqrt() / math.factorial(edge_MEX.shape[1])
    return size_M


def node_measure(coords_NX: Tensor, cells_MK: Tensor) -> Tensor:
    """What belongs to each node of a mesh of simplices, (N,) float64: an equal share of each cell around it.

    The mean over space of a field that is linear in each cell is the mean of its nodes' values by this measure. Nodes
    without a cell have 0.
    """
    share_M = simplex_measure(coords_NX, cells_MK) / cells_MK.shape[1]
    measure_N = torch.zeros(len(coords_NX), dtype=torch.float64)
    return measure_N.index_add_(0, cells_MK.flatten(), share_M.repeat_interleave(cells_MK.shape[1]))
