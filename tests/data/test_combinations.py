"""What data sets can do, in pairs: whatever comes together, a sample is worth the same alone, in any unit and order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import upt_core
from upt_core import Batch, DataError, Dataset, Experiment, Operator
from upt_core.cli import main
from upt_core.data.prepared import PreparedData
from upt_core.operator.cases import Request, answer
from upt_core.operator.evaluate import predictor_of
from upt_core.operator.rollout import Space
from upt_core.run.evaluate import Asked, evaluate_operator
from upt_core.testing import check_dataset
from upt_core.testing.alone import alone
from upt_data.bundled import Bundled
from upt_data.npz import Npz
from upt_data.paired import Paired
from upt_data.points import PointClouds
from upt_data.symmetric import Symmetric

TIMES = 8
COUNTS = {"train": 4, "valid": 2, "test": 2}
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """Units of the files, and the order of the trajectories."""

    values: float = 1.0
    length: float = 1.0
    time: float = 1.0
    order: tuple[int, ...] = (0, 1, 2, 3)


@dataclass
class Made:
    """Files to be written, and the settings that read them."""

    settings: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=lambda: ["u"])
    targets: list[str] = field(default_factory=lambda: ["u"])


def grid_axes(shape: tuple[int, int], stretched: bool, scale: Scale) -> list[np.ndarray]:
    axes = [(np.arange(num) + 0.5) / num for num in shape]
    return [(axis**2 if stretched else axis) * scale.length for axis in axes]


def values_at(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, scale: Scale, offset: float) -> np.ndarray:
    """A travelling wave with noise, (T, *points): no two trajectories or points are alike."""
    phase = rng.random(2)
    wave = [
        np.sin(6 * (x / scale.length + phase[0]) + t / 3) * np.cos(5 * y / scale.length + phase[1])
        for t in range(TIMES)
    ]
    noise = rng.standard_normal((TIMES, *x.shape))
    return (np.stack(wave) + 0.1 * noise + offset) * scale.values


def common(names: frozenset[str], numbers: list[int], scale: Scale, rng_of: Any) -> tuple[Arrays, dict[str, Any]]:
    """Arrays beside the fields, and their settings: times, conditions."""
    steps = np.array([0, 1, 2.5, 3, 4.2, 5, 7, 7.5]) if "uneven times" in names else np.arange(TIMES)
    arrays: Arrays = {"t": steps * 0.1 * scale.time}
    settings: dict[str, Any] = {}
    conditions = []
    if "condition" in names:
        arrays["nu"] = np.array([rng_of(n).random() for n in numbers])
        conditions.append("nu")
    if "changing condition" in names:
        arrays["drive"] = np.stack([rng_of(n + 50).random(TIMES) for n in numbers])
        conditions.append("drive")
    if "categories" in names:
        arrays["material"] = np.array([["steel", "copper"][n % 2] for n in numbers])
        conditions.append("material")
        settings["categories"] = {"material": ["steel", "copper"]}
    if conditions:
        settings["conditions"] = conditions
    return arrays, settings


def fields_at(names: frozenset[str], x: np.ndarray, y: np.ndarray, number: int, scale: Scale) -> Arrays:
    """Fields of a trajectory, (T, *points) or (T, *points, 2); constant ones (*points)."""
    rng = np.random.default_rng(number)
    offset = 1e5 if "large mean" in names else 0.0
    found: Arrays = {"u": values_at(x, y, rng, scale, offset)}
    if "vector" in names:
        found["v"] = np.stack([values_at(x, y, rng, scale, 0.0) * size for size in (1, 30)], -1)
    if "forcing" in names:
        found["f"] = values_at(x, y, rng, scale, 0.0)
    if "constant input" in names:
        found["a"] = values_at(x, y, rng, scale, 0.0)[0]
    if "holes" in names:
        hole = np.zeros(x.shape, dtype=bool)
        hole.reshape(-1)[[1, 2 + number % 2]] = True
        for name, value in found.items():
            still = name == "a"
            value[hole if still else (slice(None), hole)] = np.nan
    return found


def area_at(x: np.ndarray, y: np.ndarray, scale: Scale) -> np.ndarray:
    """Areas of cells, the same in the mirror image along x."""
    size: np.ndarray = (1 + (x / scale.length - 0.5) ** 2 + 2 * y / scale.length) * scale.length**2
    return size


def ended(names: frozenset[str], value: np.ndarray, number: int, still: bool) -> np.ndarray:
    """With ``lengths`` every other trajectory ends a time step early."""
    if "lengths" in names and number % 2 and not still:
        value = value.copy()
        value[-1:] = np.nan
    return value


def write_grid(
    path: Path, names: frozenset[str], shape: tuple[int, int], numbers: list[int], scale: Scale
) -> dict[str, Any]:
    x, y = grid_axes(shape, "stretched" in names, scale)
    mesh = np.meshgrid(x, y, indexing="ij")
    arrays, settings = common(names, numbers, scale, np.random.default_rng)
    rows = [fields_at(names, *mesh, number, scale) for number in numbers]
    for name in rows[0]:
        arrays[name] = np.stack([ended(names, row[name], n, name == "a") for row, n in zip(rows, numbers, strict=True)])
    if "areas" in names:
        arrays["area"] = area_at(*mesh, scale)
    np.savez(path, x=x, y=y, **arrays)
    return settings


def write_points(path: Path, names: frozenset[str], numbers: list[int], scale: Scale) -> dict[str, Any]:
    arrays, settings = common(names, numbers, scale, np.random.default_rng)
    places = [np.random.default_rng(100 + number).random((9 + number % 3, 2)) for number in numbers]
    rows = [
        fields_at(names, *(place * scale.length).T, number, scale)
        for place, number in zip(places, numbers, strict=True)
    ]
    for name in rows[0]:
        parts = [ended(names, row[name], n, name == "a") for row, n in zip(rows, numbers, strict=True)]
        arrays[name] = np.concatenate([part if name == "a" else part.swapaxes(0, 1) for part in parts])
    if "areas" in names:
        arrays["area"] = np.concatenate([area_at(*(place * scale.length).T, scale) for place in places])
    ptr = np.cumsum([0, *map(len, places)])
    np.savez(path, pos=np.concatenate(places) * scale.length, ptr=ptr, **arrays)
    return settings


def files_of(names: frozenset[str], root: Path, scale: Scale) -> dict[str, Any]:
    """Writes the files of all splits; the section of the configuration that reads them."""
    root.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Any] = {}
    first = 0
    for split, count in COUNTS.items():
        numbers = list(range(first, first + count))
        numbers = [numbers[place] for place in scale.order] if split == "train" else numbers
        first += count
        if "points" in names:
            settings = write_points(root / f"{split}.npz", names, numbers, scale)
        else:
            settings = write_grid(root / f"{split}.npz", names, (4, 3), numbers, scale)
        key = "path" if split == "train" else f"{split}_path"
        paths[key] = str(root / f"{split}.npz")
        if "several grids" in names and split == "train":
            write_grid(root / "train_2.npz", names, (6, 4), [20, 21], scale)
            paths[key] = [str(root / "train.npz"), str(root / "train_2.npz")]
    inputs = ["u", *(name for name, feature in OTHERS.items() if feature in names)]
    targets = ["u", *(["v"] if "vector" in names else [])]
    settings |= {"inputs": inputs, "targets": targets, **paths}
    settings |= {"history": 2} if "history" in names else {}
    settings |= {"holes": "nan"} if "holes" in names else {}
    settings |= {"measure": "area"} if "areas" in names else {}
    return {"name": "points" if "points" in names else "npz", **settings}


OTHERS = {"v": "vector", "f": "forcing", "a": "constant input"}


def section(names: frozenset[str], root: Path, scale: Scale) -> dict[str, Any]:
    """Writes files with these features; the section of the configuration that reads them."""
    data = files_of(names, root, scale)
    if "paired" in names:
        sensors = files_of(frozenset({"points", *names} - {"several grids", "stretched"}), root / "sensors", scale)
        targets = {name: value for name, value in data.items() if name != "history"}
        data = {"name": "paired", "inputs": sensors, "targets": targets}
    if "images" in names:
        data = {"name": "symmetric", "flips": [0], "base": data}
    if "bundled" in names:
        data = {"name": "bundled", "steps": 2, "base": data}
    return data


def data_set(names: frozenset[str], root: Path, scale: Scale) -> Dataset:
    return built(section(names, root, scale))


def built(settings: dict[str, Any]) -> Dataset:
    kinds = {"npz": Npz, "points": PointClouds, "paired": Paired, "symmetric": Symmetric, "bundled": Bundled}
    inner = {key: built(value) for key, value in settings.items() if isinstance(value, dict) and "name" in value}
    others = {key: value for key, value in settings.items() if key != "name"}
    made: Dataset = kinds[settings["name"]](**{**others, **inner})
    return made


FEATURES = (
    "points",
    "holes",
    "several grids",
    "stretched",
    "paired",
    "images",
    "bundled",
    "history",
    "lengths",
    "uneven times",
    "condition",
    "changing condition",
    "categories",
    "forcing",
    "constant input",
    "vector",
    "large mean",
    "areas",
    "one scale a field",
)
SENSELESS = {frozenset({"points", other}) for other in ("several grids", "stretched")}
REFUSED = {
    ("holes", "images"): "symmetric needs fields on a regular grid, but its base has scattered points",
    ("points", "images"): "symmetric needs fields on a regular grid, but its base has scattered points",
    ("stretched", "images"): "symmetric needs fields on a regular grid, but its base has scattered points",
    ("paired", "images"): "symmetric: the targets of the base are at other points than the inputs",
    ("bundled", "changing condition"): "the condition 'drive' changes in time",
    ("several grids", "paired"): "'train' has 4 trajectories of inputs and 6 of targets; expected equal numbers, in "
    "the same",
    ("several grids", "images"): r"symmetric: .*train_2.npz, trajectory 0 is on a grid of \[6, 4\] points, others on",
}
PAIRS = [pair for pair in combinations(FEATURES, 2) if frozenset(pair) not in SENSELESS]


def prepared(names: frozenset[str], root: Path, scale: Scale = Scale()) -> PreparedData:
    return PreparedData(data_set(names, root, scale), "field" if "one scale a field" in names else "standard")


def tensors(batch: Batch) -> dict[str, Tensor]:
    """What a model and its losses are given."""
    found = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    for name, points in (("targets", batch.points), ("inputs", batch.input_points)):
        found[f"coords of {name}"] = points.coords_BNX
        if points.relative_measure_BN is not None:
            found[f"measure of {name}"] = points.relative_measure_BN
    return found


def samples(data: PreparedData, size: int = 1) -> Iterator[Batch]:
    batches = data.batches("train", 1, size, reference=True)
    for number in range(batches.per_epoch):
        yield batches[number]


def assert_same(one: Batch, other: Batch, close: float = 0.0) -> None:
    own, theirs = tensors(one), tensors(other)
    assert own.keys() == theirs.keys()
    for name, value in own.items():
        torch.testing.assert_close(value, theirs[name], rtol=close, atol=close, msg=lambda text, n=name: f"{n}: {text}")


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> frozenset[str]:
    return frozenset(request.param)


def refusal(names: frozenset[str]) -> str:
    return next(text for pair, text in REFUSED.items() if set(pair) <= names)


@pytest.mark.parametrize("pair", REFUSED, ids="+".join, indirect=True)
def test_pairs_that_do_not_go_together_are_refused(pair: frozenset[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=refusal(pair)):
        prepared(pair, tmp_path / "a")


@pytest.mark.slow  # groups of features below meet every pair, too; this says which pair it is
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in REFUSED], ids="+".join, indirect=True)
def test_features_in_pairs(pair: frozenset[str], tmp_path: Path) -> None:
    data = prepared(pair, tmp_path / "a")
    check_dataset(data.dataset, looked_at=2)
    whole = list(samples(data))
    in_batches(data, whole)
    other_units(pair, tmp_path, data, whole)
    other_order(pair, tmp_path, data, whole)


def in_batches(data: PreparedData, whole: list[Batch]) -> None:
    """A row of a batch, without its padding, is that sample by itself."""
    done = 0
    for batch in samples(data, 5):
        for row in range(len(batch.input_BNC)):
            assert_same(alone(batch, row), without_numbers(whole[done]), 1e-6)
            done += 1
    assert done == len(whole)


def without_numbers(batch: Batch) -> Batch:
    return replace(batch, points=batch.points.row(0))


def other_units(names: frozenset[str], root: Path, data: PreparedData, whole: list[Batch]) -> None:
    """Fields, lengths and times in other units are the same to a model."""
    rounding = 1e-4 if "large mean" in names else 1e-5
    for unit in (Scale(values=1e-12), Scale(values=1e12, length=1e-9), Scale(length=1e6, time=1e-12)):
        other = prepared(names, root / f"{unit.values}{unit.length}", unit)
        for own, theirs in zip(whole, samples(other), strict=True):
            assert_same(own, theirs, rounding)


def other_order(names: frozenset[str], root: Path, data: PreparedData, whole: list[Batch]) -> None:
    """Trajectories in another order are the same statistics, and the same samples."""
    other = prepared(names, root / "order", Scale(order=(2, 0, 3, 1)))
    for name, value in data.normalization.named_buffers():
        torch.testing.assert_close(dict(other.normalization.named_buffers())[name], value, rtol=1e-9, atol=1e-12)
    theirs = sorted((batch.input_BNC.flatten()[:4].tolist(), number) for number, batch in enumerate(samples(other)))
    own = sorted((batch.input_BNC.flatten()[:4].tolist(), number) for number, batch in enumerate(whole))
    again = list(samples(other))
    for (_, one), (_, two) in zip(own, theirs, strict=True):
        assert_same(whole[one], again[two], 1e-6)


def fits(names: frozenset[str]) -> bool:
    """Whether no pair among features is refused, or senseless."""
    bad = [*map(set, REFUSED), *map(set, SENSELESS)]
    return not any(pair <= names for pair in bad)


def groups() -> list[frozenset[str]]:
    """Few sets of features among which every pair that goes together is, found greedily."""
    left = {frozenset(pair) for pair in PAIRS if fits(frozenset(pair))}
    found = []
    while left:
        group = min(left, key=sorted)
        for name in FEATURES:
            wider = group | {name}
            if fits(wider) and any(name in pair and pair <= wider for pair in left):
                group = wider
        left = {pair for pair in left if not pair <= group}
        found.append(group)
    return found


GROUPS = groups()


def test_every_pair_that_goes_together_is_in_a_group() -> None:
    assert all(any(set(pair) <= group for group in GROUPS) for pair in PAIRS if fits(frozenset(pair)))
    assert len(GROUPS) < len(PAIRS) / 4


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: "+".join(sorted(names)))
def test_many_features_at_once(names: frozenset[str], tmp_path: Path) -> None:
    data = prepared(names, tmp_path / "a")
    whole = list(samples(data))
    in_batches(data, whole)
    other_units(names, tmp_path, data, whole)
    other_order(names, tmp_path, data, whole)


def experiment(names: frozenset[str], root: Path, epochs: int = 2) -> Experiment:
    steps = 1 if "bundled" in names else 2
    return Experiment.from_dict(
        {
            "data": section(names, root, Scale()),
            "normalize": "field" if "one scale a field" in names else "standard",
            "model": {
                "latent": {"tokens": 4, "dim": 8},
                "encoder": {"name": "supernode", "supernodes": 4, "depth": 1, "heads": 2},
                "approximator": {"name": "transformer", "depth": 1, "heads": 2},
                "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
            },
            "sampler": {"name": "uniform", "num_queries": 5},
            "losses": {
                "forward": {"name": "forward"},
                "encoding": {"name": "inverse_encoding", "weight": 0.1},
                "decoding": {"name": "inverse_decoding", "of": "predicted", "weight": 0.1},
                "latent": {"name": "forward", "space": "latent", "weight": 0.1},
                "rollout": {"name": "rollout", "steps": steps, "space": "physical", "weight": 0.1},
            },
            "trainer": {"epochs": epochs, "batch_size": 3, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
            "validation": {"metrics": {"rmse": {"name": "rmse"}, "l2": {"name": "relative_l2"}}, "rollout": steps},
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("names", GROUPS, ids=lambda names: "+".join(sorted(names)))
def test_a_run_resumes_and_its_operator_answers_as_it_was_judged(names: frozenset[str], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    experiment(names, tmp_path / "files").train(whole)
    experiment(names, tmp_path / "files", epochs=1).train(parts)
    resumed = CliRunner().invoke(main, ["train", "--resume", str(parts), "trainer.epochs=2"])
    assert resumed.exit_code == 0, resumed.output
    weights = [torch.load(run / "checkpoints" / "last.pt", weights_only=True)["model"] for run in (whole, parts)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    operator = upt_core.load(whole)
    one, several = (evaluate_operator(operator, Asked("test", batch_size=size)) for size in (1, 4))
    for name, judged in one.predictors.items():
        assert judged.figures == pytest.approx(several.predictors[name].figures, rel=1e-4)
    predictions_are_those_judged(operator, names, tmp_path / "files")


def predictions_are_those_judged(operator: Operator, names: frozenset[str], root: Path) -> None:
    data = data_set(names, root, Scale())
    known = PreparedData(data, normalization=operator.normalization, training=operator.training)
    steps = 1 if "bundled" in names else 2
    batches = known.batches("test", steps, 1, first_only=True)
    spaces: tuple[Space, ...] = ("latent", "physical")
    for space in spaces:
        answers = list(answer(operator, known.trajectories("test"), data.spec(), Request(steps, space, batch_size=1)))
        predict = predictor_of(operator, space=space)
        for number, found in enumerate(answers):
            judged_BTNC = operator.normalization.to_physical(predict(batches[number]))
            expected = known.data.unbundled(judged_BTNC)[0].float()
            targets = known.data.of_frames().targets
            told = [
                torch.from_numpy(np.asarray(found.fields[field.name])).reshape(*expected.shape[:2], field.channels)
                for field in targets
            ]
            scale = operator.normalization.std_C.abs().max().item()
            torch.testing.assert_close(torch.cat(told, -1).float(), expected, rtol=1e-4, atol=1e-4 * scale)
