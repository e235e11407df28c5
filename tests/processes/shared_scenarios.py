"""What several processes share beside training: validation, test, baselines, examples, probes. See ``scenarios``."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scenarios import ADAMW, ADAPTIVE, BASE, FSDP, raised_by, trainer_of, whole_and_resumed, with_trainer
from torch import Tensor

from upt_core import Batch, Experiment, Progress
from upt_core.data.loader import Batches
from upt_core.operator.evaluate import evaluate, predictor_of
from upt_core.operator.mean_field import mean_field
from upt_core.processes import Processes
from upt_core.run.built import Built
from upt_core.training.mean_gradient import mean_of_all
from upt_core.training.probe import TrainingProbe
from upt_core.training.sampling_share import sampling_share
from upt_metrics.relative_l2 import RelativeL2
from upt_metrics.rmse import Rmse

PLANE: dict[str, Any] = {
    "data": {"name": "burgers2d", "num_trajectories": 24, "points": 8, "num_times": 5},
    "model": {**BASE["model"], "encoder": {"name": "grid", "patch": 4, "depth": 1}},
}
EVERY_METRIC: dict[str, Any] = {
    **{
        name: {"name": name}
        for name in (
            *("relative_l2", "relative_h1", "rmse", "nrmse", "max_error", "conservation_error", "boundary_rmse"),
            *("vrmse", "correlation_time", "spectrum_error", "spectral_rmse"),
        )
    },
    "first": {"name": "rmse", "steps": [1, 1]},
}
STEADY_SEED = 3


def figures(processes: Processes, folder: Path) -> dict[str, Any]:
    """Figures of the same untrained weights, by strategy and time steps of the rollout: validation and test.

    With ``batch_size: 1`` any number of processes has the same batches.
    """
    found: dict[str, Any] = {}
    for strategy in ("ddp", "fsdp"):
        for rollout, size in ((1, 1), (1, None), (3, 1)):
            validation = {"metrics": EVERY_METRIC, "rollout": rollout, "batch_size": size, "monitor": "relative_l2"}
            experiment = Experiment.from_dict(
                {**with_trainer(BASE, **ADAMW, strategy=strategy), **PLANE, "validation": validation}
            )
            built = experiment.build_all()
            trainer = experiment.trainer(built, folder / "figures")
            with trainer.gathered():
                trainer.bundle.eval()
                found[f"{strategy} {rollout} {size}"] = {
                    "valid": trainer.validate(),
                    "test": experiment.compare(built, "test"),
                }
    return found


def ends_early(processes: Processes, folder: Path, **trainer: Any) -> dict[str, Any]:
    """A run of steps so small that nothing becomes better: the state in which patience ends it."""
    settings = {"optimizer": {"name": "sgd", "lr": 1e-12}, "accumulate": 1, "ema": None, "epochs": 5, **trainer}
    validation = {"metrics": {"worst": {"name": "max_error"}, "rmse": {"name": "rmse"}}, "monitor": "worst"}
    experiment = Experiment.from_dict(
        {**BASE, "trainer": {**BASE["trainer"], **settings}, "validation": {**validation, "patience": 2}}
    )
    built = experiment.build_all()
    ended = experiment.trainer(built, folder)
    ended.train()
    return {"state": vars(ended.state), "finished": ended.finished, "early": ended.out_of_patience}


def write_steady(path: Path, same_points: bool) -> None:
    """A file of pairs without time: on one grid, or of clouds."""
    rng = np.random.default_rng(STEADY_SEED)
    if same_points:
        fields = {"a": rng.normal(size=(30, 12)), "u": rng.normal(size=(30, 12)) + 5, "x": np.arange(12.0)}
        np.savez(path, **fields)
        return
    sizes = [4, 7, 5] * 6
    np.savez(
        path,
        pos=rng.random((sum(sizes), 2)),
        a=rng.normal(size=(sum(sizes), 1)),
        u=rng.normal(size=(sum(sizes), 1)) + 5,
        ptr=np.cumsum([0, *sizes]),
    )


def mean_fields(processes: Processes, folder: Path) -> dict[str, Tensor]:
    """The mean field of pairs at the same points, and at points that differ."""
    found = {}
    for name, same in (("npz", True), ("points", False)):
        path = folder / f"steady-{name}.npz"
        processes.of_first(lambda path=path, same=same: write_steady(path, same))  # type: ignore[misc]
        data = {"name": name, "path": str(path), "inputs": ["a"], "targets": ["u"], "steady": True}
        model = {
            **BASE["model"],
            "encoder": {"name": "supernode", "supernodes": 4, "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        }
        experiment = Experiment.from_dict(
            {**BASE, "data": data, "model": model, "losses": {"forward": {"name": "forward"}}}
        )
        found[name] = mean_field(experiment.prepare(), processes)
    return found


def probes(processes: Processes, folder: Path) -> dict[str, Any]:
    """What a probe finds in batches of 3, and how many of them this process has encoded for it."""
    found: dict[str, Any] = {}
    for strategy in ("ddp", "fsdp"):
        trainer, built = trainer_of(with_trainer(ADAPTIVE, strategy=strategy), folder / "probes", processes)
        assert isinstance(built, Built)
        train = built.train
        batches = Batches(train.windows, train.normalization, 3, point_sets=train.point_sets)
        calls: list[int] = []
        handle = built.bundle.model.encoder.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        with trainer.gathered():
            trainer.bundle.eval()
            stream = next(iter(built.bundle.samplers))
            probe = TrainingProbe(built.bundle, stream, batches, Progress(), built.device, processes)
            errors = [(points.sample_id_B, value) for points, value in probe.errors()]
            encoded = len(calls)
            slopes = [value for _, value in probe.loss_gradients(2)]
            targets = [value for _, value in probe.targets()]
        handle.remove()
        found[strategy] = {
            "samples": torch.cat([sample for sample, _ in errors if sample is not None]),
            "errors": torch.cat([value for _, value in errors]),
            "slopes": torch.cat(slopes),
            "targets": torch.cat(targets),
            "encoded": encoded,
            "batches": batches.per_epoch,
        }
    return found


def examples(folder: Path, **trainer: Any) -> dict[str, Any]:
    """Arrays of the examples of a run of one epoch, and its results."""
    changes = {**with_trainer(BASE, epochs=1, **trainer), **PLANE}
    run = Experiment.from_dict({**changes, "output": str(folder)}).train()
    with np.load(run.folder / "examples.npz") as stored:
        names = ("errors_of_all", "errors", "numbers", "prediction", "target")
        return {name: torch.from_numpy(np.asarray(stored[name])) for name in names}


def shares_of_noise(processes: Processes, folder: Path) -> dict[str, float]:
    """Components of the gradient's variance over 4 batches, the last with few rows, at all points."""
    found = {}
    for strategy in ("ddp", "fsdp"):
        trainer, built = trainer_of(with_trainer({}, strategy=strategy, batch_size=11), folder / "noise", processes)
        assert isinstance(built, Built)
        trainer.bundle.eval()
        numbers = range(built.train.per_epoch - 4, built.train.per_epoch)
        rows = [built.train.rows(number) for number in numbers]
        means = [mean_of_all(processes, processes.share.count(count) / count) for count in rows]
        with trainer.gathered():
            shares = sampling_share(built.bundle, [built.train[n] for n in numbers], trainer.progress(), 2, means)
        found[strategy] = shares["between_batches"]
        assert shares["between_draws"] < 1e-9 * shares["between_batches"], "all points are all points in each draw"
    return found


class Alone(RelativeL2):
    """A metric that several processes cannot put together."""

    mergeable = False


def without_merge(processes: Processes, folder: Path) -> dict[str, Any]:
    """Figures and words where a metric has no ``merge``; and what all learn where one process cannot predict."""
    experiment = Experiment.from_dict(BASE)
    built = experiment.build()
    predict = predictor_of(experiment.operators(built)[""])
    built.bundle.eval()
    both = {"alone": Alone(), "rmse": Rmse()}
    told = io.StringIO()
    kept, RelativeL2.mergeable = RelativeL2.mergeable, False  # type: ignore[method-assign, assignment]
    try:
        with redirect_stderr(told):
            experiment.trainer(built, folder / "without")
    finally:
        RelativeL2.mergeable = kept  # type: ignore[method-assign]

    def fails_in_last(batch: Batch) -> Tensor:
        if processes.rank == processes.size - 1:
            raise RuntimeError("no memory for this one")
        return predict(batch)

    rmse = {"rmse": Rmse()}
    return {
        "figures": evaluate(predict, built.valid, both, built.device, processes),
        "said": told.getvalue(),
        "fails": raised_by(lambda: evaluate(fails_in_last, built.valid, rmse, built.device, processes)),
    }


def shared(processes: Processes, folder: Path) -> dict[str, Any]:
    """All that processes are asked which share more than training."""
    own = folder / f"shared{processes.size}"
    found = {
        "figures": figures(processes, own),
        "early": ends_early(processes, own / "early"),
        "early fsdp": ends_early(processes, own / "early-fsdp", **FSDP),
        "mean fields": mean_fields(processes, folder),
        "probes": probes(processes, own),
        "examples": examples(own / "examples"),
        "examples fsdp": examples(own / "examples-fsdp", **FSDP),
        "noise": shares_of_noise(processes, own),
        "without merge": without_merge(processes, own),
    }
    if processes.size == 3:  # two are in ``fsdp``
        adaptive = with_trainer(ADAPTIVE, **FSDP)
        found["adaptive"] = whole_and_resumed(adaptive, own / "fsdp-adaptive3", processes)
    return found
