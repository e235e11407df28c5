"""What spoils training, located: values that are not finite, constant fields, duplicates, leaks, outliers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, Split, Trajectories, Trajectory

FAR = 20.0
"""A trajectory counts as an outlier where its largest value lies this many median distances from the others'."""
FEWEST = 8
"""Fewer trajectories than this say nothing about outliers."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        kind: not finite, constant, duplicate, leak, outlier, or the word unreadable.
        place: trajectory, with its file where it has one.
        text: what it is.
    """

    kind: str
    place: str
    text: str


def examine(dataset: Dataset) -> list[Finding]:
    """Reads every trajectory of every split once."""
    spec = dataset.spec()
    state = _State(spec)
    splits: tuple[Split, ...] = get_args(Split)
    found: list[Finding] = []
    for split in splits:
        trajectories = dataset.trajectories(split)
        for index in range(len(trajectories)):
            found += state.add(split, trajectories, index)
    return found + list(state.constant_fields()) + list(state.outliers())


class _State:
    """What was seen so far: first frames, and each field's range in each trajectory."""

    def __init__(self, spec: DataSpec) -> None:
        self._spec = spec
        self._first: dict[str, tuple[Split, str]] = {}
        self._low: dict[str, list[Tensor]] = {field.name: [] for field in spec.fields}
        self._high: dict[str, list[Tensor]] = {field.name: [] for field in spec.fields}
        self._places: list[str] = []

    def add(self, split: Split, trajectories: Trajectories, index: int) -> Iterator[Finding]:
        place = _place(split, trajectories, index)
        try:
            whole = trajectories.read(index, 0, trajectories.num_times(index))
        except DataError as error:
            yield Finding("not finite" if "NaN" in str(error) else "unreadable", place, str(error))
            return
        values = {name: whole.all_values(name) for name in self._low}
        bad = [name for name, own in values.items() if not all(bool(value.isfinite().all()) for value in own)]
        if bad:
            yield Finding("not finite", place, f"{', '.join(bad)}: NaN or infinite values")
            return
        yield from self._alike(split, place, whole)
        self._places.append(place)
        for name in self._low:
            value_MC = torch.cat([value.flatten(0, 1) for value in values[name]]).double()
            self._low[name].append(value_MC.amin(0))
            self._high[name].append(value_MC.amax(0))

    def _alike(self, split: Split, place: str, whole: Trajectory) -> Iterator[Finding]:
        digest = hashlib.blake2b(whole.coords_NX.contiguous().numpy().tobytes())
        for name in sorted(self._low):
            for value in whole.all_values(name):
                digest.update(value[0].contiguous().numpy().tobytes())
        digest.update(repr(sorted((key, str(value)) for key, value in whole.condition.items())).encode())
        digest.update(whole.time_T[:1].numpy().tobytes())
        known, known_place = self._first.setdefault(digest.hexdigest(), (split, place))
        if known_place != place:
            kind = "duplicate" if known == split else "leak"
            yield Finding(kind, place, f"begins exactly like {known_place}")

    def constant_fields(self) -> Iterator[Finding]:
        """Channels that have one value everywhere."""
        if not self._places:
            return
        for name in self._low:
            low_C, high_C = torch.stack(self._low[name]).amin(0), torch.stack(self._high[name]).amax(0)
            for channel in (high_C <= low_C).nonzero().flatten().tolist():
                yield Finding("constant", name, f"channel {channel} is {low_C[channel]:g} everywhere")

    def outliers(self) -> Iterator[Finding]:
        """Trajectories whose values go far beyond those of the others."""
        if len(self._places) < FEWEST:
            return
        for name in self._low:
            size_B = torch.maximum(torch.stack(self._low[name]).abs(), torch.stack(self._high[name]).abs()).amax(1)
            middle = size_B.median()
            spread = (size_B - middle).abs().median().clamp_min(0.05 * middle.abs())
            for number in ((size_B - middle) > FAR * spread).nonzero().flatten().tolist():
                text = f"{name} reaches {size_B[number]:.4g}, the middle trajectory {middle:.4g}"
                yield Finding("outlier", self._places[number], text)


def _place(split: Split, trajectories: Trajectories, index: int) -> str:
    place = getattr(trajectories, "place", None)
    return f"number {index} ({split})" if place is None else f"{place(index)} ({split})"
