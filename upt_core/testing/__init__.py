"""The kit for plugin authors: checks that a plugin keeps the contract of its kind."""

from __future__ import annotations

from upt_core.testing.approximators import check_approximator
from upt_core.testing.callbacks import check_callback
from upt_core.testing.commands import check_command, check_converter
from upt_core.testing.datasets import check_dataset
from upt_core.testing.declared import Level
from upt_core.testing.decoders import check_decoder
from upt_core.testing.encoders import check_encoder
from upt_core.testing.failure import ConformanceError
from upt_core.testing.installed import check_installed
from upt_core.testing.losses import check_loss
from upt_core.testing.metrics import check_metric
from upt_core.testing.optimizers import check_optimizer
from upt_core.testing.samplers import check_sampler
from upt_core.testing.schedules import check_schedule

__all__ = [
    "ConformanceError",
    "Level",
    "check_approximator",
    "check_callback",
    "check_command",
    "check_converter",
    "check_dataset",
    "check_decoder",
    "check_encoder",
    "check_installed",
    "check_loss",
    "check_metric",
    "check_optimizer",
    "check_sampler",
    "check_schedule",
]
