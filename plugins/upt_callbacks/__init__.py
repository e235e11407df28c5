"""The built-in callbacks: listeners of a run."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_callbacks(register: Register) -> None:
    """Registers the callbacks by path: none is imported before it is used."""
    register("csv", "upt_callbacks.csv:Csv")
    register("mlflow", "upt_callbacks.mlflow_tracker:MLflow")
    register("tensorboard", "upt_callbacks.tensorboard:TensorBoard")
    register("trackio", "upt_callbacks.trackio_tracker:Trackio")
    register("wandb", "upt_callbacks.wandb_tracker:Wandb")
