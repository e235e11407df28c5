"""The Well's own loader and ours read the same from the same files: values, times, constants, points, statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from upt_core import Trajectory
from upt_core.commands import PreparedData
from upt_data.the_well import TheWell

the_well = pytest.importorskip("the_well.data", reason="pip install the_well: its loader is the check")
NAMES = ("mini_shear_layer", "mini_heterogeneous_diffusion")
SPLITS = {"mini_shear_layer": ("train", "valid"), "mini_heterogeneous_diffusion": ("train",)}


def theirs(folder: Path, split: str) -> Any:
    return the_well.WellDataset(path=str(folder / "data" / split), use_normalization=False, normalize_time_grid=False)


def ours(folder: Path, split: str) -> list[Trajectory]:
    """Every trajectory of a split's folder, whole."""
    data = TheWell(folder / "data" / split)
    data.spec()
    found = data.everything()
    return [found.read(index, 0, found.num_times(index)) for index in range(len(found))]


def stacked(fields: dict[str, torch.Tensor], names: list[str], step: int) -> torch.Tensor:
    """Fields at a time step, (N, C), in the order in which the other loader has them."""
    return torch.cat([fields[name][step if len(fields[name]) > 1 else 0] for name in names], dim=-1)


@pytest.mark.parametrize(("name", "split"), [(name, split) for name in NAMES for split in SPLITS[name]])
def test_values_times_points_and_constants(real_data: Path, name: str, split: str) -> None:
    folder = real_data / "the_well" / name
    loader, trajectories = theirs(folder, split), ours(folder, split)
    windows = len(trajectories[0].time_T) - 1
    assert len(loader) == windows * len(trajectories)
    moving = [field for field, value in trajectories[0].fields.items() if len(value) > 1]
    constant = [field for field in trajectories[0].fields if field not in moving]
    names = loader.metadata.constant_scalar_names
    for index, trajectory in enumerate(trajectories):
        for start in (0, windows // 2, windows - 1):
            item = loader[index * windows + start]
            for step, part in ((start, "input"), (start + 1, "output")):
                expected = item[f"{part}_fields"][0].flatten(0, -2)
                assert torch.equal(stacked(trajectory.fields, moving, step).float(), expected)
                assert float(trajectory.time_T[step]) == pytest.approx(float(item[f"{part}_time_grid"][0]))
            assert bool(constant) == ("constant_fields" in item)
            if constant:
                assert torch.equal(
                    stacked(trajectory.fields, constant, 0).float(), item["constant_fields"].flatten(0, -2)
                )
            torch.testing.assert_close(trajectory.coords_NX.float(), item["space_grid"].flatten(0, -2))
            said = dict(zip(names, item["constant_scalars"].tolist(), strict=True))
            assert {key: pytest.approx(value) for key, value in said.items()} == dict(trajectory.condition)


@pytest.mark.parametrize("name", NAMES)
def test_statistics_are_those_of_its_file(real_data: Path, name: str) -> None:
    """``stats.yaml`` is what the_well's compute_statistics found of the training split, with five digits."""
    folder = real_data / "the_well" / name
    stats = yaml.safe_load((folder / "stats.yaml").read_text())
    data = TheWell(folder, valid_path=folder / "data" / "train", test_path=folder / "data" / "train")
    scale = PreparedData(data).normalization
    for field in scale.data.fields:
        if field.name not in stats["std"]:
            continue
        channels = scale.data.channels_of(field.name)
        std = np.array(stats["std"][field.name]).reshape(-1)
        mean = np.array(stats["mean"][field.name]).reshape(-1)
        np.testing.assert_allclose(scale.std_C[channels].numpy(), std, rtol=2e-3)
        np.testing.assert_allclose(scale.mean_C[channels].numpy(), mean, atol=2e-3 * float(std.max()), rtol=1e-4)
