"""The machine a benchmark ran on: without it, its times mean nothing."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import upt_core
from upt_bench.setting import Setting


def environment(setting: Setting) -> dict[str, Any]:
    """Versions, processor, device, threads, load."""
    cuda = setting.device.type == "cuda"
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "upt": upt_core.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "device": torch.cuda.get_device_name(setting.device) if cuda else str(setting.device),
        "quick": setting.quick,
        "real_data": setting.data is not None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
