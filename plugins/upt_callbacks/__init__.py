"""The built-in callbacks: listeners of a run."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_callbacks(register: Register) -> None:
    """Registers the callbacks by path: none is imported before it is used."""
    register("csv", "upt_callbacks.csv:Csv")
    register("early_stop", "upt_callbacks.early_stop:EarlyStop")
    register("gradient_stats", "upt_callbacks.gradient_stats:GradientStats")
    register("mlflow", "upt_callbacks.mlflow_tracker:MLflow")
    register("profiler", "upt_callbacks.profiler:Profiler")
    register("reduce_on_plateau", "upt_callbacks.reduce_on_plateau:ReduceOnPlateau")
    register("tensorboard", "upt_callbacks.tensorboard:TensorBoard")
    register("trackio", "upt_callbacks.trackio_tracker:Trackio")
    register("wandb", "upt_callbacks.wandb_tracker:Wandb")
