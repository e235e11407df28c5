"""What pictures show of fields with several channels: a vector field as a whole, any other field channel by channel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from upt_core.report.load import Array, Examples

_COMPONENT = re.compile(r"(.+)\[\d+\]$")


@dataclass(frozen=True)
class Quantity:
    """A channel, or a vector field, which is shown by its magnitude.

    Args:
        name: of the channel, or of the vector field.
        channels: numbers of its channels; of a vector that along the first axis, along the second, …
    """

    name: str
    channels: tuple[int, ...]

    @property
    def is_vector(self) -> bool:
        """Whether it has a direction."""
        return len(self.channels) > 1

    @property
    def title(self) -> str:
        """What its values are."""
        return f"|{self.name}|" if self.is_vector else self.name

    def of(self, value_C: Array) -> Array:
        """Its values, of values (…, channels): the channel, or the magnitude."""
        if not self.is_vector:
            return np.asarray(value_C[..., self.channels[0]])
        return np.asarray(np.linalg.norm(value_C[..., self.channels], axis=-1))

    def error(self, prediction_C: Array, target_C: Array) -> Array:
        """How far off: the absolute difference, of vectors the length of the difference."""
        return np.abs(self.of(prediction_C - target_C))

    def components(self, value_C: Array) -> Array | None:
        """The first two components (…, 2) of a vector, for arrows; None of a channel."""
        return np.asarray(value_C[..., self.channels[:2]]) if self.is_vector else None


def quantities_of(names: Sequence[str], num_axes: int, along: Sequence[int] = ()) -> list[Quantity]:
    """The quantities of channels by name: of a field with several channels they are NAME[0], NAME[1], ….

    Args:
        names: of the channels.
        num_axes: of the coordinates.
        along: for each channel the axis that it is along, if it is a component of a vector; empty: the k-th component
            is along the k-th axis.
    """
    fields: dict[str, list[int]] = {}
    for channel, name in enumerate(names):
        found = _COMPONENT.match(name)
        fields.setdefault(found[1] if found else name, []).append(channel)
    quantities: list[Quantity] = []
    for field, channels in fields.items():
        if num_axes > 1 and len(channels) == num_axes:
            ordered = sorted(channels, key=along.__getitem__) if along else channels
            quantities.append(Quantity(field, tuple(ordered)))
        else:
            quantities += [Quantity(names[channel], (channel,)) for channel in channels]
    return quantities


def targets_of(examples: Examples) -> list[Quantity]:
    """What is predicted."""
    return quantities_of(examples.target_names, examples.num_axes, examples.target_along)


def inputs_of(examples: Examples) -> list[Quantity]:
    """What is given."""
    return quantities_of(examples.input_names, examples.num_axes, examples.input_along)
