"""What a rival's network maps between, and how large it should be: all that the builders of networks need."""

from __future__ import annotations

from dataclasses import dataclass

from upt_bench.quality.tasks import Task
from upt_core import Experiment, UserError


@dataclass(frozen=True)
class Between:
    """Fields on a grid, and the sizes of the task.

    Args:
        inputs: input channels.
        outputs: target channels.
        shape: points along each axis.
        periodic: whether each axis is.
        modes: that Fourier layers keep along each axis; no more than there are points.
        width: channels of Fourier layers.
        placed: whether the equation or its walls tell places apart, so that networks without places are given some.
        seed: of the weights.
    """

    inputs: int
    outputs: int
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]
    modes: tuple[int, ...]
    width: int
    placed: bool
    seed: int

    @property
    def dims(self) -> int:
        """Axes of space."""
        return len(self.shape)


def between(operator: str, task: Task, experiment: Experiment) -> Between:
    """What the network of an operator maps between, of a task.

    Raises:
        UserError: the data lie on no grid.
    """
    data = experiment.prepare().data
    if data.grid_shape is None:
        raise UserError(f"the operator {operator} needs data on a regular grid; leave it out for this task")
    modes = tuple(min(task.modes, points) for points in data.grid_shape)
    sizes = (data.input_channels, data.target_channels)
    seed = experiment.settings.seed
    return Between(*sizes, data.grid_shape, data.periodic, modes, task.width, task.placed, seed)


def missing(operator: str, package: str, extra: str) -> UserError:
    """The error where an operator's package is not installed."""
    return UserError(f"the operator {operator} needs the package {package}; run: pip install 'upt-core[{extra}]'")
