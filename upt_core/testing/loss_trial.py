"""One call of a loss term, whose exceptions become failures of the check."""

from __future__ import annotations

from torch import Tensor

from upt_core.batch import Batch
from upt_core.model import Upt
from upt_core.progress import Progress
from upt_core.step import LossTerm, Step
from upt_core.testing.failure import answering
from upt_core.testing.made_up_data import Case


def step_of(model: Upt, batch: Batch, case: Case) -> Step:
    """A lazy step of a model on a batch."""
    return Step(model, batch, case.data, Progress())


def value_of(term: LossTerm, step: Step, case: Case) -> Tensor:
    """The term's value."""
    with answering(
        "call",
        f"on {case}",
        "a value on all data that check_data() does not refuse",
        "handle this case, or refuse it in check_data() with a ValueError",
    ):
        return term(step)
