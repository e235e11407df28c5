"""The main example: the sampler's share of a training step."""

from __future__ import annotations

import sysconfig
import tempfile
from pathlib import Path

import upt_core
from upt_bench.clock import medians
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Experiment, Points, Progress
from upt_core.commands import Built, Means, generator


def main_example() -> Path:
    """The configuration of the main example, in a checkout or an installation."""
    places = [Path(upt_core.__file__).parents[1] / "configs", Path(sysconfig.get_path("data"), "share/upt/configs")]
    return next(path for place in places if (path := place / "burgers.yaml").is_file())


def measure(setting: Setting, results: Results) -> None:
    """Steps and draws in turn."""
    setting.say("the main example: the sampler's share of a step")
    device = [f"trainer.device={setting.device}", "trainer.log_every=1000000"]
    small = ["data.num_trajectories=48", "data.points=64", "sampler.base.num_queries=16"] if setting.quick else []
    experiment = Experiment.from_yaml(main_example(), [*device, *small])
    built = experiment.build()
    with tempfile.TemporaryDirectory() as folder:
        trainer = experiment.trainer(built, Path(folder))
        batch = built.train[0].to(built.device)
        built.bundle.train()
        found = medians(
            {
                "step": lambda: trainer.update([batch], Means()),
                "draws": lambda: _draws(built, batch.points, trainer.progress()),
            },
            setting.device,
            60,
            1.0 if setting.quick else 20.0,
        )
    results.figures.append(
        Figure(
            "share_of_step",
            "the sampler's share of a training step of the main example",
            100 * found["draws"] / found["step"],
            2.0,
            unit="%",
            detail=f"{1e6 * found['draws']:.0f} µs of {1e3 * found['step']:.1f} ms",
        )
    )


def _draws(built: Built, points: Points, progress: Progress) -> None:
    """All draws of one step, with their generators."""
    for stream, sampler in built.bundle.samplers.items():
        rng = generator(points.device, built.bundle.seed, stream, progress.epoch, progress.step, progress.rank)
        sampler.sample(points, rng, progress)
