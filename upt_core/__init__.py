"""The public names of upt, all that a plugin may import. Each is imported at first use: torch is slow to load."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upt_core.batch import Batch
    from upt_core.data.store import InMemory, cache_dir, split_indices
    from upt_core.errors import CheckpointError, ConfigError, DataError, EndRun, PluginError, UserError
    from upt_core.interpolation import lagrange_weights
    from upt_core.kinds import Callback, Dataset, LossTerm, Metric, Optimizer, Probe, Sampler, Schedule, Split
    from upt_core.locality import LocalityOrder, hilbert_key, hilbert_order
    from upt_core.measures import grid_measure, node_measure, simplex_measure
    from upt_core.model import Upt
    from upt_core.needs import Need
    from upt_core.operator.load import load
    from upt_core.operator.operator import Operator
    from upt_core.operator.prediction import Prediction
    from upt_core.parts import Approximator, Decoder, Encoder
    from upt_core.points import Points, Queries
    from upt_core.progress import Progress
    from upt_core.registry.hookspecs import Register, hookimpl
    from upt_core.run.experiment import Experiment
    from upt_core.specs import DataSpec, FieldSpec, LatentSpec
    from upt_core.step import Step
    from upt_core.training.control import Control
    from upt_core.training.trainer import Trainer
    from upt_core.trajectory import Trajectories, Trajectory

_MODULE_OF = {
    "batch": ("Batch",),
    "errors": ("CheckpointError", "ConfigError", "DataError", "EndRun", "PluginError", "UserError"),
    "run.experiment": ("Experiment",),
    "registry.hookspecs": ("Register", "hookimpl"),
    "interpolation": ("lagrange_weights",),
    "kinds": ("Callback", "Dataset", "LossTerm", "Metric", "Optimizer", "Probe", "Sampler", "Schedule", "Split"),
    "locality": ("LocalityOrder", "hilbert_key", "hilbert_order"),
    "measures": ("grid_measure", "node_measure", "simplex_measure"),
    "model": ("Upt",),
    "needs": ("Need",),
    "operator.load": ("load",),
    "operator.operator": ("Operator",),
    "operator.prediction": ("Prediction",),
    "parts": ("Approximator", "Decoder", "Encoder"),
    "points": ("Points", "Queries"),
    "progress": ("Progress",),
    "specs": ("DataSpec", "FieldSpec", "LatentSpec"),
    "step": ("Step",),
    "data.store": ("InMemory", "cache_dir", "split_indices"),
    "training.control": ("Control",),
    "training.trainer": ("Trainer",),
    "trajectory": ("Trajectories", "Trajectory"),
}
_HOME = {name: module for module, names in _MODULE_OF.items() for name in names}

__version__ = "0.1.0"
__all__ = [
    "Approximator",
    "Batch",
    "Callback",
    "CheckpointError",
    "ConfigError",
    "Control",
    "DataError",
    "DataSpec",
    "Dataset",
    "Decoder",
    "Encoder",
    "EndRun",
    "Experiment",
    "FieldSpec",
    "InMemory",
    "LatentSpec",
    "LocalityOrder",
    "LossTerm",
    "Metric",
    "Need",
    "Operator",
    "Optimizer",
    "PluginError",
    "Points",
    "Prediction",
    "Probe",
    "Progress",
    "Queries",
    "Register",
    "Sampler",
    "Schedule",
    "Split",
    "Step",
    "Trainer",
    "Trajectories",
    "Trajectory",
    "Upt",
    "UserError",
    "cache_dir",
    "grid_measure",
    "hilbert_key",
    "hilbert_order",
    "hookimpl",
    "lagrange_weights",
    "load",
    "node_measure",
    "simplex_measure",
    "split_indices",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'upt_core' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"upt_core.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
