"""A data set in words, for ``upt data info``."""

from __future__ import annotations

from typing import Any, get_args

from upt_core import Dataset, FieldSpec, Split, Trajectories


def describe(dataset: Dataset) -> dict[str, Any]:
    """Fields, points, times, conditions, splits and memory of a data set; looks at headers and one trajectory."""
    spec = dataset.spec()
    splits: dict[Split, Trajectories] = {split: dataset.trajectories(split) for split in get_args(Split)}
    train = splits["train"]
    first = train.read(0, 0, train.num_times(0))
    points = " × ".join(map(str, spec.grid_shape)) if spec.grid_shape else f"{len(first.coords_NX)} scattered"
    lengths = {trajectories.num_times(i) for trajectories in splits.values() for i in range(len(trajectories))}
    steps = "" if spec.steady else f"{_range(lengths)} time steps, from {first.time_T[0]:g} to {first.time_T[-1]:g}"
    one = sum(value.numel() * value.element_size() for value in first.fields.values()) / len(first.time_T)
    steps_in_all = sum(part.num_times(index) for part in splits.values() for index in range(len(part)))
    return {
        "inputs": ", ".join(map(_named, spec.inputs)),
        "targets": ", ".join(map(_named, spec.targets)),
        "points": f"{points} in the first trajectory" if spec.grid_shape is None else points,
        "extent": ", ".join(
            f"{length:g}{' periodic' if wraps else ''}"
            for length, wraps in zip(spec.extent, spec.periodic, strict=True)
        ),
        "times": steps or "none: a steady problem",
        "conditions": ", ".join(spec.condition) or "none",
        "splits": ", ".join(f"{len(trajectories)} {split}" for split, trajectories in splits.items()),
        "memory": f"{one * steps_in_all / 1e6:.3g} MB, {one * len(first.time_T) / 1e6:.3g} MB a trajectory",
        "remark": dataset.remarks(),
    }


def _named(field: FieldSpec) -> str:
    return field.name if field.channels == 1 else f"{field.name} ({field.channels} channels)"


def _range(lengths: set[int]) -> str:
    return str(max(lengths)) if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
