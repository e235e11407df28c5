"""The built-in schedules, metrics and optimizers."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_schedules(register: Register) -> None:
    """Registers the schedules by path: none is imported before it is used."""
    register("constant", "upt_training.constant:Constant")
    register("linear", "upt_training.linear:Linear")
    register("cosine", "upt_training.cosine:Cosine")
    register("curriculum", "upt_training.curriculum:Curriculum")
    register("warmup_cosine", "upt_training.warmup_cosine:WarmupCosine")
    register("warmup_stable_decay", "upt_training.warmup_stable_decay:WarmupStableDecay")


@hookimpl
def register_metrics(register: Register) -> None:
    """Registers the metrics by path."""
    register("relative_l2", "upt_training.relative_l2:RelativeL2")
    register("relative_h1", "upt_training.relative_h1:RelativeH1")
    register("rmse", "upt_training.rmse:Rmse")
    register("nrmse", "upt_training.nrmse:Nrmse")
    register("max_error", "upt_training.max_error:MaxError")
    register("conservation_error", "upt_training.conservation_error:ConservationError")
    register("boundary_rmse", "upt_training.boundary_rmse:BoundaryRmse")
    register("spectral_rmse", "upt_training.spectral_rmse:SpectralRmse")


@hookimpl
def register_optimizers(register: Register) -> None:
    """Registers the optimizers by path."""
    register("adamw", "upt_training.adamw:AdamW")
    register("muon", "upt_training.muon:Muon")
    register("sgd", "upt_training.sgd:Sgd")
