"""Sweeps: many runs of one experiment, each at another point of a space, on Optuna's storage.

In the order in which a sweep goes: ``file`` reads and checks it, ``point`` makes the experiment of a point, ``study``
keeps the trials, ``trial`` runs one, ``workers`` run them all, ``outcome`` and ``picture`` show what came out.
"""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_commands(register: Register) -> None:
    """The command ``upt sweep``."""
    register("sweep", "upt_sweep.commands:sweep")
