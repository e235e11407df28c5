"""Data → a whole experiment on them: parts and sizes that the benchmark of quality found good for data of their kind.

The rules carry the configurations in ``configs/benchmarks`` over by the number of axes, of points along them, of
channels and of samples. They are where to begin; the comments of what is written say what to try next.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from upt_core import Dataset, DataSpec
from upt_core.commands import dump_yaml

POINTS_A_TOKEN = 4
"""Along each axis of a grid; on scattered points for each token."""
LEAST_TOKENS = {1: 16, 2: 16, 3: 6}
MOST_TOKENS = {1: 128, 2: 32, 3: 12}
"""Along each axis, by the number of axes."""
WIDTH = 16
"""Numbers in a token for each channel of the input, up to four of them."""
WIDE = 64
"""Of the approximator, where tokens are wide too."""
QUERIES = {1: 64, 2: 512, 3: 2048}
CLOUD = 8000
"""From so many scattered points on a latent holds less than the points do, and the given state is kept beside it."""
CLOUD_TOKENS = 3072
STEPS = {1: 2000, 2: 1000, 3: 300}
"""Steps of training: minutes on two cores for 256, 64² and 16³ points."""
BATCH = {1: 32, 2: 8, 3: 4}

Section = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the recipe depends on.

    Args:
        points: of a trajectory's targets.
        samples: of training: pairs of a state and the next, or cases of a steady problem.
    """

    data: DataSpec
    points: int
    samples: int

    @property
    def again(self) -> bool:
        """Whether what is predicted can be encoded again, so that latents can be compared."""
        data = self.data
        return not data.steady and not data.targets_apart and any(field in data.targets for field in data.inputs)

    @property
    def tokens(self) -> list[int]:
        """Tokens along each axis."""
        data = self.data
        least, most = LEAST_TOKENS[data.num_axes], MOST_TOKENS[data.num_axes]
        if data.grid_shape is not None:
            return [_of_axis(points, least, most) for points in data.grid_shape]
        wanted = min(self.points / POINTS_A_TOKEN, float(CLOUD_TOKENS if self.cloud else most**data.num_axes))
        side = (math.prod(data.extent) / wanted) ** (1 / data.num_axes)
        return [min(max(round(length / side), 4), 4 * most) for length in data.extent]

    @property
    def cloud(self) -> bool:
        """Whether the points are many, scattered, and move in time: what changes is predicted then."""
        return self.again and self.data.grid_shape is None and self.points > CLOUD

    @property
    def patches(self) -> bool:
        """Whether a patch of the grid for each token is as the benchmark had it."""
        shape = self.data.grid_shape
        return shape is not None and all(
            points % tokens == 0 and points // tokens <= 16 for points, tokens in zip(shape, self.tokens, strict=True)
        )


def facts_of(dataset: Dataset) -> Facts:
    """What the recipe asks of a data set; reads one trajectory of training."""
    data, train = dataset.spec(), dataset.trajectories("train")
    first = train.read(0, 0, 1)
    points = first.coords_NX if first.targets is None else first.targets.coords_NX
    times = [1 if data.steady else max(train.num_times(number) - data.history, 1) for number in range(len(train))]
    return Facts(data, len(points), sum(times))


def experiment(settings: Section, dataset: Dataset) -> str:
    """The YAML of an experiment.

    Args:
        settings: the section ``data``.
        dataset: what they build.
    """
    facts = facts_of(dataset)
    if facts.cloud and "history" in inspect.signature(type(dataset)).parameters:
        settings = {**settings, "history": 2}
    text = [f"# An experiment on {settings['name']} data, upt's usual start for data of this kind."]
    text += [
        "# upt check FILE checks it, upt train FILE trains it; upt init writes every key with its meaning.",
        "",
    ]
    for key, section, said in _sections(facts, settings):
        flow = None if isinstance(section, dict | list) else False
        text += [*(f"# {line}" for line in said), dump_yaml({key: section}, flow=flow).rstrip(), ""]
    return "\n".join(text).rstrip() + "\n"


def _sections(facts: Facts, settings: Section) -> Iterator[tuple[str, Any, list[str]]]:
    """Key, value, comment."""
    yield "seed", 0, []
    yield "data", settings, []
    yield "model", _model(facts, settings.get("history", 1)), _about_model(facts)
    yield "sampler", *_sampler(facts)
    yield "losses", _losses(facts), []
    yield "trainer", _trainer(facts), ["More epochs are the surest way to a smaller error."]
    yield "validation", _validation(facts), []
    yield "callbacks", ["tensorboard"], []


def _model(facts: Facts, history: int) -> Section:
    data, axes = facts.data, facts.data.num_axes
    if facts.cloud:
        changes = {"changes": 5} if history > 1 else {}
        return {
            "predict": "change",
            "latent": {"tokens": facts.tokens, "dim": WIDTH},
            "encoder": {"name": "lattice", **changes},
            "approximator": {"name": "convolution", "depth": 3, "positions": False},
            "decoder": {"name": "basis", "functions": 4},
        }
    dim = WIDTH * min(data.frame_channels, 4)
    return {
        "latent": {"tokens": facts.tokens, "dim": dim},
        "encoder": {"name": "patches" if facts.patches else "lattice"},
        "approximator": _approximator(facts, dim),
        "decoder": {"name": "basis", **({"functions": 6} if axes == 1 else {})},
    }


def _approximator(facts: Facts, dim: int) -> Section:
    """Of tokens of width ``dim``; a steady problem needs many narrow blocks, each of which mixes little."""
    wide = dim > WIDE // 2
    if facts.data.num_axes == 1:
        return {"name": "spectral"} | ({"width": WIDE} if wide else {})
    if facts.data.steady:
        return {"name": "spectral", "modes": 3, "neighbours": True, "depth": 8, "width": 48 if wide else 24}
    return {"name": "spectral", "modes": 6, "neighbours": True} | ({"width": WIDE} if wide else {})


def _about_model(facts: Facts) -> list[str]:
    said = [
        "Tokens keep their place, one for a few points along each axis. More tokens, or a larger dim, keep more detail."
    ]
    if facts.cloud:
        said = [
            "So many points hold more detail than the latent can: the operator predicts the change of the given state."
        ]
    elif facts.data.num_axes > 1 and all(facts.data.periodic):
        said.append("If the law varies in space (a fixed forcing), give the approximator positions: true.")
    if facts.data.num_axes == 1 and not facts.data.steady:
        said.append("Waves that travel without damping need all modes: half as many as there are tokens, and one.")
    return said


def _sampler(facts: Facts) -> tuple[Section | None, list[str]]:
    data, queries = facts.data, QUERIES[facts.data.num_axes]
    if facts.points <= queries:
        return None, ["Query points of the losses: all points, because there are few."]
    stratified = {"name": "stratified", "num_queries": min(4 * queries if facts.cloud else queries, facts.points // 2)}
    if data.grid_of_targets is None or data.grid_shape is None:
        return stratified, []
    said = [
        "Query points of the losses. Jittered: also between the points of the grid, so that the operator is accurate "
        "there.",
        "For fields with shocks, or noise finer than the grid, the base alone is better.",
    ]
    return {"name": "jittered", "share": 1.0 if data.num_axes == 1 else 0.5, "base": stratified}, said


def _losses(facts: Facts) -> Section:
    if facts.cloud:
        return {"forward": {"name": "forward", "norm": "relative"}}
    weight = {"weight": 0.1} if facts.data.steady else {}
    found = {
        "forward": {"name": "forward", "norm": "relative"},
        "inverse_encoding": {"name": "inverse_encoding", "norm": "relative", **weight},
    }
    if facts.again:
        found["consistency"] = {"name": "forward", "space": "latent", "norm": "relative"}
    return found


def _trainer(facts: Facts) -> Section:
    axes = facts.data.num_axes
    batch = max(1, min(2 if facts.cloud else BATCH[axes], facts.samples))
    return {
        "epochs": max(1, round(STEPS[axes] * batch / facts.samples)),
        "batch_size": batch,
        "optimizer": {"name": "soap", "lr": 3e-3} | ({"weight_decay": 0.5} if facts.data.steady else {}),
        "lr_schedule": {"name": "warmup_cosine", "warmup_share": 0.05},
        "clip_norm": None,
    }


def _validation(facts: Facts) -> Section:
    metrics: Section = {"relative_l2": {"name": "relative_l2"}}
    targets = facts.data.targets
    if len(targets) > 1:  # those of one size more than the others' alone would decide
        metrics |= {f"{field.name}_l2": {"name": "relative_l2", "field": field.name} for field in targets}
    return {"metrics": metrics, "monitor": "relative_l2", "every": max(1, _trainer(facts)["epochs"] // 10)}


def _of_axis(points: int, least: int, most: int) -> int:
    """Tokens along an axis: a divisor of its points near a quarter of them; where there is none, a quarter."""
    wanted = min(max(points / POINTS_A_TOKEN, least), most, points)
    divisors = [number for number in range(2, most + 1) if points % number == 0]
    near = [number for number in divisors if wanted / 2 <= number <= wanted * 1.5]
    return min(near, key=lambda number: abs(math.log(number / wanted))) if near else max(2, round(wanted))
