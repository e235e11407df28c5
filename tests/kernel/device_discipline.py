"""Run by test_device_discipline: training steps on a make-believe accelerator, tensors without values.

Every tensor of a step claims to be on a device that is not the CPU. An operation that mixes devices fails, and so does
one that would need a value on the host (``item``, ``nonzero``, a Python ``if`` on a tensor), because there is none.
So what passes here neither forgets to move a tensor nor waits for the device. Not among the cases: the term and the
sampler ``boundary`` (they look once where the boundary is) and ``divergence`` by autograd.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from upt_core import Experiment, Progress, step
from upt_core.training.means import Means
from upt_core.training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parent))
from conftest import TINY, merged

_setup_privateuseone_for_python_backend("pretend")
torch.pretend.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]  # type: ignore[attr-defined]
DEVICE = torch.device("pretend", 0)


class Generator:
    """Stands for a generator of the accelerator, which exists only where its hardware does."""

    device = DEVICE


def without_generator(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*args: Any, **kwargs: Any) -> Tensor:
        if isinstance(kwargs.get("generator"), Generator):
            kwargs["generator"] = None
        return function(*args, **kwargs)

    return call


for name in ("rand", "randn", "randint", "randperm"):
    setattr(torch, name, without_generator(getattr(torch, name)))
torch.Tensor.random_ = without_generator(torch.Tensor.random_)  # type: ignore[method-assign]
step.generator = lambda *args: Generator()  # type: ignore[assignment,return-value]


def moved(module: nn.Module, move: Callable[[Tensor], Tensor]) -> None:
    """Replaces every parameter and buffer; parameters that modules share stay shared."""
    seen: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for key, parameter in part._parameters.items():
            if parameter is not None:
                seen.setdefault(id(parameter), nn.Parameter(move(parameter.data)))
                part._parameters[key] = seen[id(parameter)]
        for key, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[key] = move(buffer)


def train_steps(changes: dict[str, Any]) -> None:
    experiment = Experiment.from_dict(merged(TINY, {"trainer": {"log_every": 1000, "ema": 0.9}, **changes}))
    built = experiment.build()
    assert built.prepared.training.content  # reads the data, which the make-believe device could not
    mode = FakeTensorMode()

    def move(value: Tensor) -> Tensor:
        return FakeTensor(mode, value.detach().to("meta"), DEVICE)

    moved(built.bundle, move)
    batches = [built.train[number]._mapped(move) for number in range(2)]
    trainer: Trainer = experiment.trainer(built, Path("nowhere"))
    with mode:
        trainer.device = DEVICE
        built.bundle.train()
        means = Means()
        for batch in batches:
            trainer.update([batch], means)
        for term in built.bundle.terms:
            progress = Progress(epoch=1, num_epochs=2, step=1)
            value = built.bundle.evaluate(term, built.bundle.step(batches[0], progress))
            assert value.device == DEVICE, term.name


PLANE = {"name": "burgers2d", "num_trajectories": 6, "points": 8, "num_times": 4}
SCATTERED = {**PLANE, "layout": "scattered", "points_min": 40, "points_max": 60}
GRID = {"encoder": {"name": "grid", "patch": 4, "depth": 1}}
ON_LATTICE = {
    "latent": {"tokens": [4, 4], "dim": 8},
    "approximator": {"name": "spectral", "width": 8, "modes": 2, "neighbours": True},
    "decoder": {"name": "basis", "functions": 3},
}
RELATIVE = {
    "relative": {"name": "forward", "norm": "relative"},
    "consistency": {"name": "forward", "norm": "relative", "space": "latent"},
    "pushforward": {"name": "rollout", "steps": 2, "gradient_steps": 1, "space": "physical"},
}
JITTERED = {"name": "jittered", "base": {"name": "stratified", "num_queries": 8}}
SUPERNODE = {"encoder": {"name": "supernode", "supernodes": 8, "depth": 1}}
ANYWHERE = {
    "rollout": {"name": "rollout", "steps": 2},
    "relative": {"name": "relative_lp"},
    "conservation": {"name": "conservation"},
    "positivity": {"name": "positivity", "fields": ["velocity"]},
    "norm": {"name": "latent_norm"},
    "diversity": {"name": "latent_diversity"},
    "latent": {"name": "forward", "space": "latent"},
    "predicted": {"name": "inverse_decoding", "of": "predicted"},
}
ON_GRIDS = {"spectral": {"name": "spectral"}, "grid": {"name": "divergence", "field": "velocity", "method": "grid"}}
SAMPLERS: list[dict[str, Any]] = [
    {"name": "uniform", "num_queries": 8},
    {"name": "stratified", "num_queries": 8},
    {"name": "sobol", "num_queries": 8},
    {"name": "ratio", "ratio": 0.5},
    {"name": "cosine", "start_epoch": 0, "end_ratio": 0.25},
    {"name": "linear", "start_epoch": 0, "end_ratio": 0.25},
    {"name": "importance", "num_queries": 8},
    {"name": "mixture", "samplers": [{"name": "uniform", "num_queries": 4}, {"name": "stratified", "num_queries": 4}]},
]
CASES: dict[str, dict[str, Any]] = {
    **{f"{sampler['name']} on a line": {"sampler": sampler} for sampler in SAMPLERS},
    **{
        f"{sampler['name']} at scattered points": {"sampler": sampler, "data": SCATTERED, "model": SUPERNODE}
        for sampler in SAMPLERS
    },
    "sobol on a plane": {"sampler": {"name": "sobol", "num_queries": 8}, "data": PLANE, "model": GRID},
    "every term on a grid": {"data": PLANE, "model": GRID, "losses": {**ANYWHERE, **ON_GRIDS}},
    "every term at scattered points": {"data": SCATTERED, "model": SUPERNODE, "losses": ANYWHERE},
    "all points": {"sampler": None, "data": SCATTERED, "model": SUPERNODE},
    "jittered, tokens on a lattice": {
        "sampler": JITTERED,
        "data": PLANE,
        "model": {**ON_LATTICE, "encoder": {"name": "patches"}},
        "losses": RELATIVE,
    },
    "scattered points onto a lattice": {
        "data": SCATTERED,
        "model": {**ON_LATTICE, "encoder": {"name": "lattice"}},
        "losses": RELATIVE,
    },
    "muon": {"trainer": {"optimizer": {"name": "muon"}, "log_every": 1000}},
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    for title, changes in CASES.items():
        if len(sys.argv) < 2 or sys.argv[1] in title:
            train_steps(changes)
            print("ok", title, flush=True)
