"""The benchmark of readers runs as a whole, at a small size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from upt_bench.data import QUICK, BareLoop, layouts
from upt_bench.data_files import FORMATS
from upt_core.cli import main
from upt_core.commands import PreparedData, installed


def test_the_whole_at_a_small_size(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    done = CliRunner().invoke(main, ["bench", "data", "--quick", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "upt bench data" in done.output
    plain = json.loads((tmp_path / "results.json").read_text())
    assert [row["key"] for row in plain["figures"]] == [f"{name}_over_bare" for name in FORMATS]
    rows = plain["curves"]["reading"]
    assert len(rows) == 2 * sum(len(layouts(name, grid)) for grid in QUICK for name in FORMATS)
    assert all(row["upt"] > 0 and row["bare"] > 0 for row in rows)
    assert plain["environment"]["quick"] is True


@pytest.mark.parametrize("name", FORMATS)
def test_both_read_the_same_values(tmp_path: Path, name: str) -> None:
    pytest.importorskip({"zarr": "zarr", "netcdf": "xarray"}.get(name, "h5py"))
    values = QUICK[0].values()
    stored = FORMATS[name](tmp_path, values, next(iter(layouts(name, QUICK[0]).values())))
    dataset = installed().load("dataset", stored.dataset)(**stored.settings)
    windows = PreparedData(dataset).batches("train", 1, 4).windows
    kept = {tuple(windows[number].input_NC[:, 0].tolist()) for number in range(len(windows))}
    assert kept < {tuple(row) for row in values[:, :-1].reshape(-1, values.shape[-1]).tolist()}
    inputs, targets = BareLoop(stored.opened, len(windows), values.shape[1])[0]
    assert inputs.shape == targets.shape == (16, *values.shape[2:])
    scaled = (torch.from_numpy(values) - 0.5) * 12**0.5
    assert torch.isclose(scaled[:, :-1], inputs[0]).all(-1).sum() == 1
    assert np.isfinite(targets.numpy()).all()
