"""Writes a data set into one zarr store, in chunks of a few time steps of one trajectory."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from upt_core import Dataset, DataSpec, Split, Trajectories, UserError
from upt_data.arrays.extra import library
from upt_data.files.dataset import FileDataset
from upt_data.files.trajectories import FileTrajectories

MEASURE = "measure"
"""Array of the areas or volumes of cells."""


def to_zarr(dataset: Dataset, out: Path, chunk_mb: float) -> dict[str, Any]:
    """Writes all trajectories, in the order of their files; what is read is held one trajectory at a time.

    Returns:
        The ``data`` section that reads the store.

    Raises:
        UserError: the store is there already, or cannot hold such data.
    """
    zarr = library("zarr", "zarr", "writing a zarr store")
    if out.suffix != ".zarr":
        raise UserError(f"{out}: the name of the store must end in .zarr")
    if out.exists():
        raise UserError(f"{out}: already exists; remove it, or choose another name")
    spec = dataset.spec()
    if spec.targets_apart:
        raise UserError(
            "inputs and targets have different points, which one store cannot hold; convert each data set separately"
        )
    splits: tuple[Split, ...] = get_args(Split)
    parts = (
        [dataset.everything()]
        if isinstance(dataset, FileDataset)
        else [dataset.trajectories(split) for split in splits]
    )
    grids = {part.grid_shape(i) for part in parts if isinstance(part, FileTrajectories) for i in range(len(part))}
    if len(grids) > 1:
        raise UserError(
            "the files have several grids, which one store cannot hold; convert the files of each grid separately"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr warns of data types whose form is not final; upt reads them
        group = zarr.open_group(out, mode="w")
        if spec.grid_shape is None:
            return {"name": "points", "path": str(out), **_Ragged(group, spec, parts, chunk_mb).write()}
        return {"name": "zarr", "path": str(out), **_Grid(group, spec, parts, chunk_mb).write()}


class _Writer:
    """What both layouts share."""

    def __init__(self, group: Any, spec: DataSpec, parts: Sequence[Trajectories], chunk_mb: float) -> None:
        self.group = group
        self.spec = spec
        self.pairs = [(part, index) for part in parts for index in range(len(part))]
        self.numbered = list(enumerate(self.pairs))
        self.lengths = [part.num_times(index) for part, index in self.pairs]
        self.chunk_bytes = chunk_mb * 2**20
        first, index = self.pairs[0]
        self.first = first.read(index, 0, self.lengths[0])

    def settings(self) -> dict[str, Any]:
        """Roles of the fields, as the data set had them."""
        names = [[field.name for field in fields] for fields in (self.spec.inputs, self.spec.targets)]
        found: dict[str, Any] = {"inputs": names[0]}
        found |= {} if names[0] == names[1] else {"targets": names[1]}
        found |= {"steady": True} if self.spec.steady else {}
        found |= {"conditions": list(self.spec.condition)} if self.spec.condition else {}
        found |= {"periodic": list(self.spec.periodic)} if any(self.spec.periodic) else {}
        return found

    def put(self, name: str, value: Any, **more: Any) -> None:
        """A whole array."""
        self.group.create_array(name, data=np.asarray(value), **more)

    def conditions(self) -> None:
        """One number for each trajectory, or numbers over its times."""
        for name in self.spec.condition:
            rows = [
                part.read(index, 0, self.lengths[number]).condition[name] for number, (part, index) in self.numbered
            ]
            self.put(name, np.array([np.asarray(row) for row in rows], dtype=np.float64))


class _Grid(_Writer):
    """Fields (trajectory, t, *grid, channel) with x, y, z, t."""

    def write(self) -> dict[str, Any]:
        assert self.spec.grid_shape is not None
        shape, letters = self.spec.grid_shape, "xyz"[: self.spec.num_axes]
        coords = self.first.coords_NX.double().reshape(*shape, -1).numpy()
        for axis, letter in enumerate(letters):
            at = tuple(slice(None) if number == axis else 0 for number in range(len(shape)))
            self.put(letter, coords[(*at, axis)], dimension_names=[letter])
        longest = max(range(len(self.pairs)), key=self.lengths.__getitem__)
        part, index = self.pairs[longest]
        if not self.spec.steady:
            self.put("t", part.read(index, 0, self.lengths[longest]).time_T.numpy(), dimension_names=["t"])
        arrays = {field.name: self._array(field.name, field.channels, shape, letters) for field in self.spec.fields}
        for number, (one, index) in self.numbered:
            whole = one.read(index, 0, self.lengths[number])
            for name, array in arrays.items():
                value = whole.fields[name].reshape(-1, *shape, whole.fields[name].shape[-1]).numpy()
                if self._moves(name):
                    array[number, : len(value)] = value
                else:
                    array[number] = value[0]
        self.conditions()
        extra = self._measure(shape, letters)
        if len(set(self.lengths)) > 1:
            self.put("lengths", np.array(self.lengths))
            extra["lengths"] = "lengths"
        return self.settings() | extra

    def _measure(self, shape: tuple[int, ...], letters: str) -> dict[str, Any]:
        own = [part.read(index, 0, 1).measure_N for part, index in self.pairs]
        first = own[0]
        if first is None:
            return {}
        if any(other is None or not torch.equal(other, first) for other in own):
            raise UserError(
                "the files have different areas or volumes of cells, but a store holds only one set; convert each "
                "file separately"
            )
        self.put(MEASURE, first.reshape(shape).numpy(), dimension_names=list(letters))
        return {"measure": MEASURE}

    def _moves(self, name: str) -> bool:
        return len(self.first.fields[name]) > 1

    def _array(self, name: str, channels: int, shape: tuple[int, ...], letters: str) -> Any:
        value, steps = self.first.fields[name], max(self.lengths)
        frame = int(np.prod(shape)) * channels * value.element_size()
        per_chunk = min(steps, max(1, int(self.chunk_bytes / frame)))
        moves = self._moves(name)
        return self.group.create_array(
            name,
            shape=(len(self.pairs), *([steps] if moves else []), *shape, channels),
            chunks=(1, *([per_chunk] if moves else []), *shape, channels),
            dtype=value.numpy().dtype,
            fill_value=float("nan"),
            dimension_names=["trajectory", *(["t"] if moves else []), *letters, "channel"],
        )


class _Ragged(_Writer):
    """All points in a row, and where each trajectory ends."""

    def write(self) -> dict[str, Any]:
        if len(set(self.lengths)) > 1:
            raise UserError(
                "trajectories at scattered points can be converted only if all have the same number of time steps"
            )
        beginnings = [part.read(index, 0, 1) for part, index in self.pairs]
        ends = np.cumsum([0, *(len(one.coords_NX) for one in beginnings)])
        self.put("pos", np.concatenate([one.coords_NX.numpy() for one in beginnings]))
        self.put("ptr", ends)
        if not self.spec.steady:
            self.put("t", self.first.time_T.numpy())
        extra = self._measures([one.measure_N for one in beginnings])
        arrays = {field.name: self._array(field.name, int(ends[-1])) for field in self.spec.fields}
        for (part, index), start, stop in zip(self.pairs, ends, ends[1:], strict=False):
            whole = part.read(index, 0, self.lengths[0])
            for name, array in arrays.items():
                rows = whole.fields[name].transpose(0, 1).numpy()
                array[start:stop] = rows[:, 0] if array.ndim == 2 else rows
        self.conditions()
        origin = self.spec.origin
        box = {} if origin is None else {"extent": list(self.spec.extent), "origin": list(origin)}
        return self.settings() | box | extra

    def _measures(self, measures: Sequence[Tensor | None]) -> dict[str, Any]:
        known = [measure_N for measure_N in measures if measure_N is not None]
        if not known:
            return {}
        if len(known) < len(measures):
            raise UserError(
                "some trajectories have areas or volumes of cells and others have none; convert each kind separately"
            )
        self.put(MEASURE, torch.cat(known).numpy())
        return {"measure": MEASURE}

    def _array(self, name: str, num_rows: int) -> Any:
        value = self.first.fields[name]
        shape = (num_rows, *([len(value)] if len(value) > 1 else []), value.shape[-1])
        rows = max(1, int(self.chunk_bytes / (np.prod(shape[1:]) * value.element_size())))
        return self.group.create_array(
            name, shape=shape, chunks=(min(num_rows, rows), *shape[1:]), dtype=value.numpy().dtype
        )
