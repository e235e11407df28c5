"""What an operator is asked, read and looked at: from here on, only computing is left."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from upt_core.operator.arrays import Input
from upt_core.operator.rollout import Space


@dataclass(frozen=True, eq=False)
class Question:
    """A call of ``Operator.predict``.

    Args:
        value: the input of all samples.
        query: where to answer, (1 or B, Q, X) in physical units; None: where the input is.
        shape: points along each axis where these are a grid.
        condition_BTP: conditions of each step in physical units; None: the operator is told none.
        steps: time steps.
        space: in which rollouts go on.
        times: physical times of the steps; None: the problem is steady.
        remarks: what is worth knowing of the input.
    """

    value: Input
    query: Tensor | None
    shape: tuple[int, ...] | None
    condition_BTP: Tensor | None
    steps: int
    space: Space
    times: Tensor | None
    remarks: tuple[str, ...]

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.value.value_BNC)

    @property
    def places(self) -> Tensor:
        """Where the answers are, (1 or B, Q, X)."""
        return self.value.coords_BNX if self.query is None else self.query
