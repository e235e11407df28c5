"""A data set at another resolution: solved for it, read at it, or thinned to it; or a word that it has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from upt_core.data.thinned import Thinned, steps_to
from upt_core.errors import UserError
from upt_core.kinds import Dataset
from upt_core.operator.operator import Operator
from upt_core.registry import Registry
from upt_core.run.inputs import dataset_of


def at_resolution(
    operator: Operator,
    dataset: Dataset,
    asked: tuple[int, ...],
    path: Path | None,
    overrides: Sequence[str],
    registry: Registry,
) -> tuple[Dataset, list[str]]:
    """The data set with so many points along each axis, and what inputs and truths then are.

    Where the truth is known on its own points alone, the data set as it is, and a word that it is compared there.

    Args:
        asked: points along each axis; one number stands for all axes.
        path, overrides: that the data set was made with.

    Raises:
        UserError: not as many numbers as there are axes.
    """
    spec = dataset.spec()
    if len(asked) not in (1, spec.num_axes):
        raise UserError(
            f"a resolution of {_size(asked)} does not fit; expected {spec.num_axes} numbers, each at least 1"
        )
    shape = asked * spec.num_axes if len(asked) == 1 else asked
    if spec.targets_apart:
        return dataset, ["inputs and truths have different points; each is used at its own points"]
    if spec.grid_shape is None:
        return dataset, [
            f"the truth is known only at scattered points, so predictions are compared there, not at {_size(shape)}"
        ]
    if spec.grid_shape == shape:
        return dataset, []
    settings = dataset.settings_at(shape)
    if settings is not None:
        texts = [f"data.{key}={value}" for key, value in settings.items()]
        found = dataset_of(operator, path, [*overrides, *texts], registry)
        if found.spec().grid_shape == shape:
            return found, [f"inputs and truths are those of the data set at {_size(shape)} points: {' '.join(texts)}"]
    steps = steps_to(spec.grid_shape, shape)
    if steps is not None:
        return Thinned(dataset, steps), [
            f"inputs and truths are {_size(shape)} of the {_size(spec.grid_shape)} points of the data"
        ]
    return dataset, [
        f"the truth is known only on {_size(spec.grid_shape)} points, so inputs and comparison use these, not "
        f"{_size(shape)}; give a finer file as INPUT to compare there"
    ]


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
