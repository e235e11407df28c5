"""torch.compile: of the model's parts, as ``trainer.compile`` does it, and of the whole bundle, while Q changes.

The number of query points follows the sampler ``cosine`` through its levels, as in a run; torch makes a new graph where
its guards fail, and is to learn that Q is no constant.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch._dynamo.utils import counters

from upt_bench.clock import Action, Ratio, seconds_of, times
from upt_bench.made_up import batch_of, bundle_of, grid
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Batch, Progress
from upt_core.commands import LossBundle, WeightedTerm, compile_parts

Call = Callable[[Batch, Progress], Any]
Prepare = Callable[[Setting, LossBundle], Call]
LEVELS = 5
"""Different Q of the cosine schedule; epoch after epoch another one."""


def measure(setting: Setting, results: Results) -> None:
    """Forward and backward through all Q: eager, parts compiled, whole bundle compiled; graphs that were made."""
    eager = _steps(setting, _eager)
    results.curves["compiled"] = []
    for way, prepare in WAYS.items():
        setting.say(f"compile: {way}")
        torch.compiler.reset()
        counters.clear()
        with _quiet():
            steps = _steps(setting, prepare)
            first, graphs = seconds_of(steps, setting.device), _graphs()
            steps()
            later = _graphs() - graphs
            found = times({"eager": eager, way: steps}, setting.device, 9, 0.3 if setting.quick else 30.0)
        row = {"way": way, "first": first, "graphs": graphs, "graphs_later": later}
        results.curves["compiled"].append(row | {"ms": 1e3 * found.median(way) / LEVELS})
        results.figures.append(_figure(row, found.ratio(way, "eager")))


def _figure(row: dict[str, Any], ratio: Ratio) -> Figure:
    return Figure(
        f"compiled_{row['way'].split()[0]}",
        f"forward and backward, {row['way']}: time over eager, Q changing",
        ratio.value,
        detail=f"{row['graphs']} graphs for {LEVELS} values of Q, made in {row['first']:.3g} s; {row['graphs_later']} "
        f"more when the same values come again",
        noise=ratio.noise,
    )


def _graphs() -> int:
    """How many graphs torch has made since its counters were cleared."""
    return int(counters["stats"]["unique_graphs"])


def _steps(setting: Setting, prepare: Prepare) -> Action:
    """A step for each value of Q."""
    edge = 16 if setting.quick else 64
    points = grid(edge, setting.device)
    bundle = _changing(setting, bundle_of(setting, points, "grid", 64, patch=edge // 8))
    return _epochs(prepare(setting, bundle), bundle, batch_of(setting, bundle, points))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings about what it cannot compile: the number of graphs tells of it."""
    logger = logging.getLogger("torch._dynamo")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _changing(setting: Setting, bundle: LossBundle) -> LossBundle:
    """The same model and terms with a number of query points that changes."""
    sampler = setting.sampler("cosine", start_ratio=0.5, end_ratio=0.05, start_epoch=0, end_epoch=LEVELS, levels=LEVELS)
    terms = [WeightedTerm(term.name, term.term, term.weight, sampler=sampler) for term in bundle.terms]
    return LossBundle(bundle.model, terms, bundle.data).to(setting.device)


def _epochs(call: Call, bundle: LossBundle, batch: Batch) -> Action:
    """A step in each of the schedule's epochs."""
    bundle.train()
    start = Progress(num_epochs=LEVELS)

    def epochs() -> None:
        for epoch in range(LEVELS):
            losses = call(batch, replace(start, epoch=epoch, position=float(epoch)))
            bundle.zero_grad(set_to_none=True)
            torch.autograd.backward(losses.total)

    return epochs


def _eager(setting: Setting, bundle: LossBundle) -> LossBundle:
    return bundle


def _parts(setting: Setting, bundle: LossBundle) -> LossBundle:
    if setting.quick:
        for module in bundle.model.children():
            module.compile(backend="eager")  # the graphs without the compiler
    else:
        compile_parts(bundle.model)
    return bundle


def _whole(setting: Setting, bundle: LossBundle) -> Call:
    compiled: Call = torch.compile(bundle, backend="eager" if setting.quick else "inductor")
    return compiled


WAYS: dict[str, Prepare] = {"parts compiled": _parts, "bundle compiled": _whole}
