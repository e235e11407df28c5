"""A sampler and a loss term for upt."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_samplers(register: Register) -> None:
    """By path, so that listing plugins imports neither the class nor torch."""
    register("halton", "upt_example.halton:Halton")


@hookimpl
def register_losses(register: Register) -> None:
    """By path too."""
    register("pinball", "upt_example.pinball:Pinball")
