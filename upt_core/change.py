"""Predicting the change: an answer is the field that was given at a point, and what the decoder says has changed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core.points import Points
from upt_core.specs import DataSpec

TOUCHING = 1e-12
"""Squared distance in the unit box below which a query point is one of the data's points."""


def check_changes(data: DataSpec) -> None:
    """Refuses data whose targets do not change from a given state.

    Raises:
        ValueError: the problem is steady, targets are at points of their own, or a target is no input.
    """
    if data.steady:
        raise ValueError("the problem is steady, so no state changes; write predict: state")
    if data.targets_apart:
        raise ValueError(
            "the targets are at other points than the inputs, and no state is given there; write predict: state"
        )
    unknown = [field.name for field in data.targets if field not in data.inputs]
    if unknown:
        raise ValueError(
            f"a change is one from a given state, but {', '.join(unknown)} is predicted and not an input; make it an "
            "input, or write predict: state"
        )


def present(data: DataSpec, frame: Tensor) -> Tensor:
    """The target channels of a state whose channels (..., C) are those of the inputs at one time step.

    Of bundled data, the last of its physical time steps, once for each that a call answers with.
    """
    parts = []
    for field in data.targets:
        value = frame[..., data.channels_of(field.name, data.inputs)]
        size = field.channels // data.bundle
        parts.append(value[..., field.channels - size :].repeat(*[1] * (value.dim() - 1), data.bundle))
    return torch.cat(parts, dim=-1)


def detail(data: DataSpec, frame_BQC: Tensor, decoded_BQC: Tensor) -> Tensor:
    """What the decoder leaves of a given state (B, Q, C), target channels: too fine for the latent, and kept as it is.

    With z₀ the latent of the given state u₀ and D the decoder, the answer k steps on is ``D(z_k) + (u₀ − D(z₀))``.

    Args:
        frame_BQC: the given state, input channels at one time step.
        decoded_BQC: all channels that the decoder says of its latent.
    """
    return present(data, frame_BQC) - present(data, data.inputs_of(decoded_BQC))


@dataclass(frozen=True)
class Between:
    """Weights that carry values from a batch's points to any other points.

    A value there is the mean of the ``X + 1`` nearest points', weighted by the inverse square of their distance; at a
    point of the data it is the value of that point.

    Args:
        near_BQK: numbers of the nearest points.
        share_BQK: their weights, which add up to 1.
    """

    near_BQK: Tensor
    share_BQK: Tensor

    @classmethod
    def find(cls, points: Points, query_BQX: Tensor) -> Between:
        """The nearest points, by a k-d tree for each point set."""
        rows = 1 if points.shared and query_BQX.stride(0) == 0 else points.batch_size
        found = [_nearest(points.row(number), query_BQX[number]) for number in range(rows)]
        near_BQK, squared_BQK = (torch.stack(parts).to(query_BQX.device) for parts in zip(*found, strict=True))
        weight_BQK = 1 / squared_BQK.clamp_min(TOUCHING)
        share_BQK = weight_BQK / weight_BQK.sum(dim=-1, keepdim=True)
        nearest_K = torch.eye(1, share_BQK.shape[-1], dtype=share_BQK.dtype, device=share_BQK.device)[0]
        share_BQK = torch.where(squared_BQK[..., :1] <= TOUCHING, nearest_K, share_BQK)
        batch = len(query_BQX)
        return cls(near_BQK.expand(batch, -1, -1), share_BQK.float().expand(batch, -1, -1))

    def carry(self, value_BNC: Tensor) -> Tensor:
        """Values (B, N, C) at the query points: (B, Q, C)."""
        batch, count, near = self.near_BQK.shape
        index_BMC = self.near_BQK.reshape(batch, -1, 1).expand(-1, -1, value_BNC.shape[-1])
        near_BQKC = value_BNC.gather(1, index_BMC).view(batch, count, near, -1)
        return (near_BQKC * self.share_BQK.unsqueeze(-1)).sum(dim=2)


def _nearest(points: Points, query_QX: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers and squared distances (Q, K) of the points next to each query, nearest first."""
    from scipy.spatial import KDTree  # late: it takes a quarter of a second, and only these answers need it

    wraps = points.periodic or (False,) * points.num_axes

    def wrapped(coords: Tensor) -> Tensor:
        coords, wrap_X = coords.detach().double().cpu(), torch.tensor(wraps)
        inside = coords % 1
        return torch.where(wrap_X, inside.where(inside < 1, 0), coords)  # -1e-17 % 1 is 1, outside the box

    tree = KDTree(wrapped(points.coords_BNX[0]).numpy(), boxsize=[1.0 if wrap else 0.0 for wrap in wraps])
    distance_QK, near_QK = tree.query(wrapped(query_QX).numpy(), k=list(range(1, points.num_axes + 2)))
    # Where there are fewer points, the tree gives infinite distances, of weight 0, and a number behind the last.
    return torch.from_numpy(near_QK).clamp_max(points.num_points - 1), torch.from_numpy(distance_QK).square()
