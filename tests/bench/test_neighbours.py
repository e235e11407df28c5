"""The benchmark of neighbourhoods runs as a whole, at a small size."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from upt_bench.cell_lists import nearest
from upt_core.cli import main


def test_the_whole_at_a_small_size(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "neighbours", "--quick", "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "upt bench neighbours" in done.output
    plain = json.loads((tmp_path / "results.json").read_text())
    figures = {row["key"]: row for row in plain["figures"]}
    assert set(figures) == {f"{case}_{what}" for case in ("grid", "cloud") for what in ("step", "heard", "once")} | {
        "tree",
        "cells",
    } | ({"cluster"} if find_spec("torch_cluster") else set())
    assert figures["grid_heard"]["measured"] == figures["cloud_heard"]["measured"] == 100
    assert [row["points"] for row in plain["curves"]["supernode_steps"]] == [256, 1024, 300, 600, 1200, 2400]
    assert len(plain["curves"]["neighbour_searches"]) == 2 * (7 if find_spec("torch_cluster") else 6)
    assert plain["environment"]["quick"] is True
    assert (tmp_path / "neighbours.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("num_points", [4, 7, 512])
@pytest.mark.parametrize("crowded", [1, 4])
def test_cell_lists_find_the_nearest_of_all(axes: int, num_points: int, crowded: int) -> None:
    """In the box of the points and around it, where they are even and where they crowd in a corner."""
    rng = torch.Generator().manual_seed(axes)
    coords_SX = torch.rand(num_points, axes, generator=rng) ** crowded
    queries_NX = 1.4 * torch.rand(1500, axes, generator=rng) - 0.2
    distance_NS = torch.cdist(queries_NX, coords_SX, compute_mode="donot_use_mm_for_euclid_dist")
    found_N4 = distance_NS.gather(1, nearest(coords_SX, queries_NX, 4))
    torch.testing.assert_close(found_N4, distance_NS.topk(4, largest=False).values, rtol=0, atol=1e-6)


def test_cell_lists_of_points_on_a_line_or_in_one_place() -> None:
    coords_SX = torch.cat([torch.arange(5.0)[:, None], torch.zeros(5, 1)], dim=1)
    assert nearest(coords_SX, torch.tensor([[3.1, 1.0]]), 2).tolist() == [[3, 4]]
    assert nearest(torch.zeros(3, 2), torch.ones(2, 2), 3).sort().values.tolist() == [[0, 1, 2]] * 2
