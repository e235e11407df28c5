"""A fixed share of the points as query points."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field

from upt_core import Progress, Sampler
from upt_samplers.mathematics.budget import Budget


@final
class Ratio(Budget):
    """Uses ratio · N of the N points; ratio 1 is the dense loss, bit for bit.

    Q0 = max(1, int(ratio · N)); if Q0 ≥ 8 · multiple, Q is the multiple nearest to Q0, else Q = Q0; at most N.
    Example: N = 4096, ratio 0.3, multiple 64: Q0 = 1228, Q = 1216. Padded points count as points.

    Args:
        ratio: share of the points, 0 < ratio ≤ 1; 0.3 to 0.5 are usual.
        base: the sampler that chooses the points; default: uniform. Its own num_queries is not used.
        multiple: Q is rounded to a multiple of this, if Q is at least 8 multiples; 1 for the exact int(ratio · N).
    """

    def __init__(
        self,
        ratio: Annotated[float, Field(gt=0, le=1)],
        base: Sampler | None = None,
        multiple: Annotated[int, Field(ge=1)] = 64,
    ) -> None:
        super().__init__(base, multiple)
        self.ratio = ratio

    def ratio_at(self, progress: Progress) -> float:
        """Constant."""
        return self.ratio
