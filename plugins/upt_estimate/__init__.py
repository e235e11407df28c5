"""Estimates: memory, FLOPs and bytes of a training step, before anything of its size is allocated.

In the order in which an estimate goes: ``few`` reads a little of the data, ``trial`` builds the model and takes a step
on fake tensors, ``ledger`` writes down what each operation allocates, ``limits`` looks for the largest that fits.
"""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_commands(register: Register) -> None:
    """The command ``upt estimate``."""
    register("estimate", "upt_estimate.commands:estimate")
