"""The kit for plugin authors: checks that a plugin keeps the contract of its kind."""

from __future__ import annotations

from upt_core.testing.declared import Level
from upt_core.testing.failure import ConformanceError
from upt_core.testing.samplers import check_sampler

__all__ = ["ConformanceError", "Level", "check_sampler"]
