"""An operator as one function of tensors: what ``upt export`` has torch trace. Physical units in and out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from upt_core.data.normalize import Normalization
from upt_core.data.point_sets import scaled_coords
from upt_core.data.training_data import TrainingData
from upt_core.model import Upt
from upt_core.points import Points
from upt_core.specs import DataSpec


class Trained(Protocol):
    """What an export asks of an ``Operator``."""

    model: Upt
    normalization: Normalization
    training: TrainingData

    @property
    def data(self) -> DataSpec:
        """What is known of the data set."""
        ...


class Program(nn.Module):
    """The time steps of an operator; subclasses say where its input is.

    Args:
        operator: the trained operator.
        steps: calls of the approximator; the latent state moves on.
        checked: whether sizes are compared in the program itself, with messages in plain words. False: the shapes that
            torch records for its inputs do it.
    """

    origin_X: Tensor
    extent_X: Tensor

    def __init__(self, operator: Trained, steps: int, checked: bool = True) -> None:
        super().__init__()
        data = operator.data
        assert data.origin is not None
        self.data, self.model, self.steps, self.checked = data, operator.model, steps, checked
        self.normalization, self.num_points = operator.normalization.on("cpu"), operator.training.num_points[1]
        self.register_buffer("origin_X", torch.tensor(data.origin, dtype=torch.float64))
        self.register_buffer("extent_X", torch.tensor(data.extent, dtype=torch.float64))

    def answer(self, input_BNC: Tensor, points: Points, query_QX: Tensor, condition_BTP: Tensor | None) -> Tensor:
        """target_BTQC in physical units, float64; of bundled data T counts single time steps."""
        data, batch = self.data, input_BNC.shape[0]
        query_BQX = self.unit(self._located(query_QX, "query_QX")).expand(batch, -1, -1)
        told_BTP = None if condition_BTP is None else self._told(condition_BTP, batch)
        latent_BLD, found = self.model.encoder(self.normalization.inputs(input_BNC), points), []
        for step in range(self.steps):
            latent_BLD = self.model.approximator(latent_BLD, None if told_BTP is None else told_BTP[:, step])
            found.append(data.targets_of(self.model.decoder(latent_BLD, query_BQX)))
        return data.unbundled(self.normalization.to_physical(torch.stack(found, dim=1)))

    def points(self, coords_NX: Tensor, batch: int, grid_shape: tuple[int, ...] | None) -> Points:
        """Points in the unit box that all samples of a call share."""
        coords_BNX = coords_NX.unsqueeze(0).expand(batch, -1, -1)
        return Points(coords_BNX, grid_shape, extent=self.data.extent, periodic=self.data.periodic)

    def unit(self, coords_NX: Tensor) -> Tensor:
        """Physical coordinates in the unit box, float32."""
        return ((coords_NX - self.origin_X) / self.extent_X).float()

    def input(self, input_BNC: Tensor, num_points: int) -> Tensor:
        """The input, with as many points and channels as are expected."""
        names = ", ".join(field.name for field in self.data.inputs)
        frames = f" of each of {self.data.history} frames, oldest first" if self.data.history > 1 else ""
        expected = self.data.input_channels
        input_BNC = self.sized(input_BNC, 1, num_points, f"input_BNC must have {said(num_points)} points on its axis 1")
        return self.sized(
            input_BNC, 2, expected, f"input_BNC must have {expected} channels on its axis 2: {names}{frames}"
        )

    def sized(self, value: Tensor, axis: int, size: int, message: str) -> Tensor:
        """The value, whose axis must have this size.

        torch would note the size as a property of the traced input and say ``Guard failed: value.size()[1] == 32``. A
        comparison of tensors keeps the message, and taking entries by number gives the tracer the size.
        """
        if not self.checked:
            return value
        torch._assert_async(torch.scalar_tensor(value.shape[axis], dtype=torch.int64).eq(size), message)
        return value.index_select(axis, torch.arange(size))

    def _located(self, coords_NX: Tensor, name: str) -> Tensor:
        """Coordinates, with as many axes as the domain has, none NaN or infinite: no token is near to such a point."""
        num = self.data.num_axes
        coords_NX = self.sized(coords_NX, 1, num, f"{name} must have {num} coordinates on its axis 1")
        if self.checked:
            torch._assert_async(coords_NX.isfinite().all(), f"{name} has coordinates that are NaN or infinite")
        return coords_NX

    def _told(self, condition_BTP: Tensor, batch: int) -> Tensor:
        names, steps = ", ".join(self.data.condition), self.steps
        told_BTP = self.sized(condition_BTP, 0, batch, "condition_BTP must have as many samples as input_BNC")
        told_BTP = self.sized(told_BTP, 1, steps, f"condition_BTP must have {steps} time steps on its axis 1")
        num = len(self.data.condition)
        told_BTP = self.sized(told_BTP, 2, num, f"condition_BTP must have {num} values on its axis 2: {names}")
        return self.normalization.condition(told_BTP)


class AtKnownPoints(Program):
    """An operator whose input is always at the same points: a grid, or any others. What encoders need is found once.

    Args:
        coords_NX: physical coordinates of the input.
        grid_shape: their grid; None: scattered points.
    """

    coords_NX: Tensor

    def __init__(
        self,
        operator: Trained,
        steps: int,
        coords_NX: Tensor,
        grid_shape: tuple[int, ...] | None,
        checked: bool = True,
    ) -> None:
        super().__init__(operator, steps, checked)
        self.grid_shape, self.num_points = grid_shape, len(coords_NX)
        self.register_buffer("coords_NX", scaled_coords(coords_NX, self.data))
        points, self.num_found = self.points(self.coords_NX, 1, grid_shape), []
        for number, need in enumerate(self.model.encoder.needs):
            found = points.get(need)
            self.num_found.append(len(found))
            for part, value in enumerate(found):
                self.register_buffer(f"found_{number}_{part}", value.clone())

    def forward(self, input_BNC: Tensor, query_QX: Tensor, condition_BTP: Tensor | None = None) -> Tensor:
        """target_BTQC in physical units.

        Args:
            input_BNC: the input fields at the points, of a grid row-major; frames of a history side by side, oldest
                first.
            query_QX: physical coordinates at which to answer.
            condition_BTP: conditions of each step, where the operator has some.
        """
        points = self.points(self.coords_NX, input_BNC.shape[0], self.grid_shape)
        for number, (need, parts) in enumerate(zip(self.model.encoder.needs, self.num_found, strict=True)):
            points.keep(need, tuple(self.get_buffer(f"found_{number}_{part}") for part in range(parts)))
        return self.answer(self.input(input_BNC, self.num_points), points, query_QX, condition_BTP)


class AtGivenPoints(Program):
    """An operator that is told where its input is: scattered points, any number of them, the same for all samples."""

    def forward(
        self, input_BNC: Tensor, coords_NX: Tensor, query_QX: Tensor, condition_BTP: Tensor | None = None
    ) -> Tensor:
        """target_BTQC in physical units; arguments as those of ``AtKnownPoints``, and ``coords_NX`` of the input."""
        coords_NX = self._located(coords_NX, "coords_NX")
        points = self.points(self.unit(coords_NX), input_BNC.shape[0], None)
        return self.answer(self.input(input_BNC, coords_NX.shape[0]), points, query_QX, condition_BTP)


def said(size: int) -> str:
    """A size in a message; one that only a call knows by its place."""
    return "as many as coords_NX has" if isinstance(size, torch.SymInt) else str(size)
