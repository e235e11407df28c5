"""Training as a job of a cluster: ``commands`` reads what is asked for, ``job`` is what runs on the nodes."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_commands(register: Register) -> None:
    """The command ``upt submit``."""
    register("submit", "upt_cluster.commands:submit")
