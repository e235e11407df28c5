"""Ways to find who is near whom, side by side: all distances, cell lists, k-d trees of SciPy and of torch-cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from upt_bench.cell_lists import nearest
from upt_bench.clock import Action, medians
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Points

SUPERNODES, OVERLAP, NEAREST = 512, 4, 32
TREE, CELLS, CLUSTER = "k-d tree of the supernodes", "cell lists of the supernodes", "torch-cluster's k-d tree"
CHUNKS = {"all distances, 2^24 at once": 1 << 24, "all distances, 2^18 at once": 1 << 18}


def measure(setting: Setting, results: Results) -> None:
    """Seconds of one search of each kind, on the host, random points of the unit square."""
    results.curves["neighbour_searches"] = rows = []
    numbers = (1000, 2000) if setting.quick else (32_768, 65_536, 131_072, 262_144)
    for number in numbers:
        setting.say(f"searches: {number} points")
        rows += _searches(setting, number)
    slow, fast = (_last(rows, way) for way in (next(iter(CHUNKS)), TREE))
    results.figures += [
        Figure(
            "tree",
            f"one search by a k-d tree of the supernodes over one by all distances, at {numbers[-1]:,} points",
            fast / slow,
            detail=f"{1e3 * fast:.0f} ms over {1e3 * slow:.0f} ms; the tree finds {OVERLAP} supernodes for each point, "
            f"all distances the {NEAREST} points next to each of {SUPERNODES} supernodes",
        ),
        *(_beside_the_tree(rows, way, numbers[-1]) for way in (CELLS, CLUSTER) if _has(rows, way)),
    ]


def _searches(setting: Setting, number: int) -> list[dict[str, Any]]:
    coords_NX = torch.rand(number, 2, generator=torch.Generator().manual_seed(number))
    order_N = Points(coords_NX[None]).locality_order_BN[0]
    coords_NX = coords_NX[order_N]
    coords_SX = coords_NX[:: max(1, number // SUPERNODES)][:SUPERNODES]
    ways: dict[str, Callable[[], Any]] = {
        name: partial(_all_distances, coords_SX, coords_NX, chunk) for name, chunk in CHUNKS.items()
    }
    ways["k-d tree of the points"] = partial(_tree_of_points, coords_SX, coords_NX)
    ways[TREE] = partial(_tree_of_supernodes, coords_SX, coords_NX)
    ways[CELLS] = partial(nearest, coords_SX, coords_NX, OVERLAP)
    if find_spec("torch_cluster") is not None:  # compiled against one version of torch, so it is no dependency
        ways[CLUSTER] = partial(_tree_of_cluster, coords_SX, coords_NX)
    ways["locality order"] = lambda: Points(coords_NX[None]).locality_order_BN
    actions: dict[str, Action] = dict(ways)
    seconds = medians(actions, torch.device("cpu"), 5, 0.2 if setting.quick else 10.0)
    return [{"way": way, "points": number, "seconds": seconds[way]} for way in ways]


def _all_distances(coords_SX: Tensor, coords_NX: Tensor, chunk: int) -> Tensor:
    """The points next to each supernode."""
    parts = torch.split(coords_SX, max(1, chunk // len(coords_NX)))
    return torch.cat([torch.cdist(part, coords_NX).topk(NEAREST, largest=False).indices for part in parts])


def _tree_of_points(coords_SX: Tensor, coords_NX: Tensor) -> Any:
    from scipy.spatial import KDTree

    return KDTree(coords_NX.numpy()).query(coords_SX.numpy(), k=NEAREST)


def _tree_of_supernodes(coords_SX: Tensor, coords_NX: Tensor) -> Any:
    from scipy.spatial import KDTree

    return KDTree(coords_SX.numpy()).query(coords_NX.numpy(), k=OVERLAP)


def _tree_of_cluster(coords_SX: Tensor, coords_NX: Tensor) -> Any:
    from torch_cluster import knn

    return knn(coords_SX, coords_NX, OVERLAP)


def _beside_the_tree(rows: list[dict[str, Any]], way: str, number: int) -> Figure:
    other, tree = _last(rows, way), _last(rows, TREE)
    return Figure(
        "cells" if way == CELLS else "cluster",
        f"the same search by {way} over one by SciPy's tree, at {number:,} points",
        other / tree,
        unit="×",
        detail=f"{1e3 * other:.0f} ms over {1e3 * tree:.0f} ms; both exact",
    )


def _has(rows: list[dict[str, Any]], way: str) -> bool:
    return any(row["way"] == way for row in rows)


def _last(rows: list[dict[str, Any]], way: str) -> float:
    return float(next(row["seconds"] for row in reversed(rows) if row["way"] == way))
