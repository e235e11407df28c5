"""Clouds of different size: no figure of a trained model depends on what else is in the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import Experiment
from upt_core.operator.evaluate import evaluate, predictor_of
from upt_core.run.built import Built

CLOUDS: dict[str, Any] = {
    "name": "burgers2d",
    "layout": "scattered",
    "num_trajectories": 12,
    "points": 16,
    "points_min": 40,
    "points_max": 90,
    "num_times": 3,
    "valid_fraction": 0.4,
}
SETTINGS: dict[str, Any] = {
    "data": CLOUDS,
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "supernode", "supernodes": 16, "depth": 1, "max_neighbours": 6},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "sampler": {"name": "stratified", "num_queries": 16},
    "losses": {"forward": {"name": "forward"}, "inv_enc": {"name": "inverse_encoding", "weight": 0.5}},
    "trainer": {"epochs": 1, "batch_size": 4, "optimizer": {"name": "adamw", "lr": 0.001}, "device": "cpu"},
    "validation": {
        "metrics": {name: {"name": name} for name in ("relative_l2", "rmse", "nrmse", "max_error")},
        "monitor": "relative_l2",
    },
}


MODELS: dict[str, dict[str, Any]] = {
    "perceiver": {},
    "anchored": {"decoder": {"name": "anchored", "anchors": 8, "depth": 1}},
    "near": {
        "latent": {"tokens": [3, 3], "dim": 8},
        "encoder": {"name": "lattice"},
        "approximator": {"name": "spectral", "width": 8, "depth": 1, "modes": 2},
        "decoder": {"name": "near", "width": 8, "heads": 2},
    },
}
"""What is changed in the model, for each decoder that reads by attention."""


@pytest.fixture(scope="module", params=MODELS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Built]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clouds")
    experiment = Experiment.from_dict(SETTINGS | {"model": SETTINGS["model"] | MODELS[request.param]})
    experiment.train(folder)
    built = experiment.build_all(experiment.prepare_all())
    experiment.load_weights(built, folder / "checkpoints" / "best.pt")
    assert isinstance(built, Built)
    return experiment, built


@pytest.mark.parametrize("size", [1, 2, 4])
def test_metrics_do_not_depend_on_the_validation_batch_size(trained: tuple[Experiment, Built], size: int) -> None:
    experiment, built = trained
    built.bundle.model.eval()
    figures = []
    for batch_size in (size, 10):
        batches = built.prepared.batches("valid", 2, batch_size, first_only=True)
        assert batch_size == 1 or batches[0].points.lengths is not None
        metrics = experiment.parts[""].metrics()
        figures.append(evaluate(predictor_of(experiment.operators(built)[""]), batches, metrics, built.device))
    assert figures[0] == pytest.approx(figures[1], rel=2e-5)


def test_latents_do_not_depend_on_the_batch(trained: tuple[Experiment, Built]) -> None:
    encoder = trained[1].bundle.model.encoder.eval()
    batches = trained[1].prepared.batches("valid", 1, 4)
    with torch.no_grad():
        together = batches[0]
        latent_BLD = encoder(together.input_BNC, together.points)
        assert together.points.lengths is not None
        for row in range(4):
            alone = batches.collate([batches.windows[row]])
            torch.testing.assert_close(encoder(alone.input_BNC, alone.points)[0], latent_BLD[row], rtol=1e-4, atol=1e-5)


def test_every_split_knows_what_the_encoder_needs(trained: tuple[Experiment, Built]) -> None:
    encoder = trained[1].bundle.model.encoder
    for split in ("train", "valid", "test"):
        points = trained[1].prepared.batches(split, 1, 2)[0].points
        assert all(points.knows(need) for need in encoder.needs)


def test_inputs_differ_enough_for_this_to_mean_something(trained: tuple[Experiment, Built]) -> None:
    lengths = {trained[1].prepared.batches("valid", 1, 1)[number].points.num_points for number in range(4)}
    assert len(lengths) > 1


def test_it_is_found_again(tmp_path: Path) -> None:
    """Two runs of one seed have equal weights: what supernodes hear in a step is part of the run's randomness."""
    weights = []
    for name in ("a", "b"):
        experiment = Experiment.from_dict(SETTINGS)
        experiment.train(tmp_path / name)
        built = experiment.build_all(experiment.prepare_all())
        experiment.load_weights(built, tmp_path / name / "checkpoints" / "best.pt")
        weights.append(torch.cat([value.flatten() for value in built.bundle.model.state_dict().values()]))
    assert torch.equal(*weights)
