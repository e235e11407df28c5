"""Device and number format."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from upt_core.errors import UserError
from upt_core.processes import ALONE, Processes

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(name: str, processes: Processes = ALONE) -> torch.device:
    """The device of a name; "auto" is CUDA where there is one, else the CPU.

    Args:
        processes: that train together; each has a CUDA device of its own, that of its number on its machine.

    Raises:
        UserError: the device is not there, or not one for several processes.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if processes.several:
        device = _own_device(name, device, processes)
    check_available(device, f"trainer.device is {name!r}", "auto or cpu")
    return device


def check_available(device: torch.device, said: str, instead: str) -> None:
    """Refuses a device that this machine lacks.

    Args:
        said: begins the message: where the device is named.
        instead: what to use.

    Raises:
        UserError: the device is not there.
    """
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(f"{said}, but this machine has {torch.cuda.device_count()} CUDA devices; use {instead}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"{said}, but this machine has none; use {instead}")


def _own_device(name: str, device: torch.device, processes: Processes) -> torch.device:
    if device.index is not None or device.type not in ("cpu", "cuda"):
        raise UserError(
            f"trainer.device is {name!r}, but {processes.size} processes train together, each on a device of its own; "
            f"use auto, cuda or cpu"
        )
    if device.type == "cpu":
        return device
    alone = torch.cuda.device_count() == 1 and "CUDA_VISIBLE_DEVICES" in os.environ  # a scheduler gave one to each
    number = 0 if alone else processes.local_rank
    if number >= torch.cuda.device_count():
        raise UserError(
            f"trainer.device is {name!r}, but this machine has {torch.cuda.device_count()} CUDA devices for more "
            "processes; start one process for each device, or use cpu"
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuses what would silently run otherwise.

    Raises:
        UserError: fp16 is asked for without CUDA.
    """
    if precision == "fp16" and device.type != "cuda":
        raise UserError(f"trainer.precision fp16 needs CUDA; the device is {device.type}; use bf16 or fp32")


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The autocast context of a precision; does nothing for fp32."""
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, _DTYPES[precision])
