"""Benchmarks: what upt measures of itself beside its rivals, all ratios within one run."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_commands(register: Register) -> None:
    """The command ``upt bench``."""
    register("bench", "upt_bench.commands:bench")
