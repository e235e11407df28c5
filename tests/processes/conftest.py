"""Starts processes that train together, and gives what each of them found."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

HERE = Path(__file__).parent
Found = list[dict[str, Any]]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str, Path], Found]:
    """What each of so many processes found in a scenario."""
    cache = tmp_path_factory.getbasetemp() / "cache"

    def start(size: int, scenario: str, folder: Path) -> Found:
        command = [sys.executable, str(HERE / "launch.py"), str(size), scenario, str(folder)]
        environment = {**os.environ, "UPT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stderr[-5000:]
        return [torch.load(folder / f"{scenario}-{size}-{rank}.pt", weights_only=True) for rank in range(size)]

    return start


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def scenarios() -> Any:
    return _module("scenarios")


@pytest.fixture(scope="module")
def memory_scenarios() -> Any:
    return _module("memory_scenarios")


@pytest.fixture(scope="module")
def shared_scenarios(scenarios: Any) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "scenarios", scenarios)  # which it imports, as in the processes
        yield _module("shared_scenarios")


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
