"""Several time steps ahead: the state is moved on step by step, and compared with the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Schedule, Step
from upt_losses.distance import NormOrRelative, distance
from upt_losses.relative import relative_error
from upt_losses.targets import check_encodable


class Rollout(LossTerm):
    """Error of a rollout, decoded at the same query points at every time step.

    The input is encoded once; the approximator advances the latent ``steps`` times; each latent is decoded and compared
    with the true fields, normalised. The value is the mean over time steps t = 1 … ``steps`` with weights proportional
    to ``discount``^(t − 1), which add up to 1, so values for different ``steps`` are comparable. With ``steps: 1`` it
    is ``forward``.

    Gradients flow through all time steps, so memory of the approximator and the decoder grows with ``steps``; with
    ``gradient_steps`` the time steps before the last ones have no gradient and are not compared (pushforward, arXiv
    2202.03376). The operator learns to continue from its own states, with the memory of fewer steps, and the term does
    not train the encoder.

    Trap: a step of training costs about ``steps`` times as much. On one-dimensional Burgers, at equal processor time,
    ``forward`` in physical and in latent space together gave better rollouts than this term with 2 or 4 steps.

    Args:
        steps: number of time steps; the data's trajectories must be longer than this. Good values: 2 to 8.
        discount: weight of a time step relative to the one before. Good values: 0.8 to 1; values below 1 stabilise
            early training.
        norm: "mse" (usual), "l1", "huber" for data with rare large errors, or "relative": the mean over samples of
            ‖prediction − truth‖ / ‖truth‖ at each time step.
        delta: where "huber" turns from square to linear, in normalised units. Good values: 0.1 to 1.
        steps_now: number of time steps used now, rounded, from 1 to ``steps``; None: all. A schedule that rises from 1
            trains the first steps first.
        gradient_steps: number of last time steps that have a gradient and are compared; None: all.
        space: "latent" advances the latent; "physical" decodes each state at all points and encodes it again, as
            rollouts in physical space do. This costs one more dense decoding and encoding per time step.
    """

    def __init__(
        self,
        steps: Annotated[int, Field(ge=1)] = 4,
        discount: Annotated[float, Field(gt=0, le=1)] = 1.0,
        norm: NormOrRelative = "mse",
        delta: Annotated[float, Field(gt=0)] = 1.0,
        steps_now: Schedule | None = None,
        gradient_steps: Annotated[int, Field(ge=1)] | None = None,
        space: Literal["latent", "physical"] = "latent",
    ) -> None:
        self.horizon = steps
        self.discount = discount
        self.norm: NormOrRelative = norm
        self.delta = delta
        self.steps_now = steps_now
        self.gradient_steps = gradient_steps
        self.space = space

    def check_data(self, data: DataSpec) -> None:
        """Refuses several time steps of data that has no time, and states that cannot be encoded again."""
        if data.steady and self.horizon > 1:
            raise ValueError(
                f"rollout needs {self.horizon} time steps, but this data set is steady and has one solution without "
                "time; use forward"
            )
        if self.space == "physical":
            check_encodable(data, "rollout with space: physical", "use space: latent")

    def __call__(self, step: Step) -> Tensor:
        """The weighted mean over time steps."""
        taken = self.horizon if self.steps_now is None else round(self.steps_now(step.progress))
        taken = min(max(taken, 1), self.horizon)
        free = 0 if self.gradient_steps is None else max(taken - self.gradient_steps, 0)
        weights = [self.discount**time for time in range(taken - free)]
        if self.norm == "relative":
            pairs = zip(weights, self._predictions(step, taken, free), strict=True)
            values = [weight * relative_error(step, value, step.target(time)) for weight, (time, value) in pairs]
            return torch.stack(values).sum() / sum(weights)
        parts_BQ = [
            distance(value_BQC, step.target(time), self.norm, self.delta).mean(dim=-1) * weight
            for weight, (time, value_BQC) in zip(weights, self._predictions(step, taken, free), strict=True)
        ]
        return step.mean(torch.stack(parts_BQ).sum(dim=0) / sum(weights))

    def _predictions(self, step: Step, taken: int, free: int) -> Iterator[tuple[int, Tensor]]:
        """(time step, prediction at query points) of those time steps that have a gradient."""
        if self.space == "latent" and free == 0:  # shared with all terms
            yield from ((time, step.predicted(time)) for time in range(1, taken + 1))
            return
        input_BNC, gradient = step.batch.input_BNC, torch.is_grad_enabled()
        there, queries = step.at_inputs(), step.queries()
        with torch.set_grad_enabled(gradient and free == 0):
            latent_BLD = given_BLD = step.latent(0)
        for time in range(1, taken + 1):
            with torch.set_grad_enabled(gradient and time > free):
                latent_BLD = step.advance(latent_BLD, time)
            if self.space == "latent" or time == taken:
                if time > free:
                    yield time, step.answer(latent_BLD, queries, input_BNC, given_BLD)
                continue
            with torch.set_grad_enabled(gradient and time >= free):  # the next time step is computed from it
                state_BNC = there.answer(latent_BLD, there.all_queries(), input_BNC, given_BLD)
            if time > free:
                decoded = there is step and queries.on_points
                answer_BQC = (
                    queries.take(state_BNC) if decoded else step.answer(latent_BLD, queries, input_BNC, given_BLD)
                )
                yield time, answer_BQC
            with torch.set_grad_enabled(gradient and time >= free):
                input_BNC = step.data.next_input(input_BNC, state_BNC, step.batch.given_at(time))
                latent_BLD = given_BLD = step.encode(input_BNC, step.batch.input_points)
