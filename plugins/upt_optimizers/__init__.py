"""The built-in optimizers."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_optimizers(register: Register) -> None:
    """Registers the optimizers by path."""
    register("adamw", "upt_optimizers.adamw:AdamW")
    register("muon", "upt_optimizers.muon:Muon")
    register("sgd", "upt_optimizers.sgd:Sgd")
    register("soap", "upt_optimizers.soap:Soap")
