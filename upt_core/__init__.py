"""The public names of upt, all that a plugin may import. Each is imported at first use: torch is slow to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upt_core.lazy import imported_late

if TYPE_CHECKING:
    from upt_core.batch import Batch
    from upt_core.errors import CheckpointError, ConfigError, DataError, EndRun, PluginError, UserError
    from upt_core.gather import is_constant, lagrange_weights
    from upt_core.kinds import Callback, Dataset, Metric, Optimizer, Probe, Sampler, Schedule
    from upt_core.locality import hilbert_key, hilbert_order
    from upt_core.measures import grid_measure, node_measure, simplex_measure
    from upt_core.model import Approximator, Decoder, Encoder, Upt
    from upt_core.operator.load import load
    from upt_core.operator.operator import Operator
    from upt_core.operator.prediction import Prediction
    from upt_core.points import LocalityOrder, Need, Points, Queries
    from upt_core.progress import Progress
    from upt_core.registry.hookspecs import Register, hookimpl
    from upt_core.report.run_pictures import RunPictures
    from upt_core.run.experiment import Experiment
    from upt_core.run.trained import Run
    from upt_core.specs import DataSpec, FieldSpec, LatentSpec
    from upt_core.stacked import StackedWindows, read_many
    from upt_core.step import LossTerm, Step
    from upt_core.training.control import Control
    from upt_core.training.trainer import Trainer
    from upt_core.trajectory import InMemory, Split, TargetPoints, Trajectories, Trajectory, cache_dir, split_indices

_MODULE_OF = {
    "batch": ("Batch",),
    "errors": ("CheckpointError", "ConfigError", "DataError", "EndRun", "PluginError", "UserError"),
    "gather": ("is_constant", "lagrange_weights"),
    "kinds": ("Callback", "Dataset", "Metric", "Optimizer", "Probe", "Sampler", "Schedule"),
    "locality": ("hilbert_key", "hilbert_order"),
    "measures": ("grid_measure", "node_measure", "simplex_measure"),
    "model": ("Approximator", "Decoder", "Encoder", "Upt"),
    "operator.load": ("load",),
    "operator.operator": ("Operator",),
    "operator.prediction": ("Prediction",),
    "points": ("LocalityOrder", "Need", "Points", "Queries"),
    "progress": ("Progress",),
    "registry.hookspecs": ("Register", "hookimpl"),
    "report.run_pictures": ("RunPictures",),
    "run.experiment": ("Experiment",),
    "run.trained": ("Run",),
    "specs": ("DataSpec", "FieldSpec", "LatentSpec"),
    "stacked": ("StackedWindows", "read_many"),
    "step": ("LossTerm", "Step"),
    "training.control": ("Control",),
    "training.trainer": ("Trainer",),
    "trajectory": ("InMemory", "Split", "TargetPoints", "Trajectories", "Trajectory", "cache_dir", "split_indices"),
}

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
    "Run",
    "RunPictures",
    "Sampler",
    "Schedule",
    "Split",
    "StackedWindows",
    "Step",
    "TargetPoints",
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
    "is_constant",
    "lagrange_weights",
    "load",
    "node_measure",
    "read_many",
    "simplex_measure",
    "split_indices",
]

__getattr__, __dir__ = imported_late(__name__, _MODULE_OF)
