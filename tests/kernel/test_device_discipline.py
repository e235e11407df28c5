"""A step never mixes devices and never reads a value back to the host: shown without an accelerator."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("device_discipline.py")


def has_python_backends() -> bool:
    from torch.utils import backend_registration

    return hasattr(backend_registration, "_setup_privateuseone_for_python_backend")


@pytest.mark.skipif(not has_python_backends(), reason="this torch cannot register a backend from Python")
def test_steps_on_a_make_believe_accelerator() -> None:
    spec = importlib.util.find_spec("upt_core")
    assert spec is not None
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("ok ") >= 15
