"""A benchmark: its parts one after the other, all in one run, and what they found as a file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch

from upt_bench.environment import environment
from upt_bench.results import Results
from upt_bench.setting import Setting


class Part(Protocol):
    """A module of a benchmark."""

    __name__: str

    def measure(self, setting: Setting, results: Results) -> None:
        """Adds what it finds."""
        ...


def run_parts(parts: Sequence[Part], setting: Setting, out: Path) -> Results:
    """Measures everything, one thread on the host, and writes ``results.json`` into a folder."""
    threads, started = torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(1)
    try:
        results = Results(environment(setting))
        for part in parts:
            began = time.perf_counter()
            part.measure(setting, results)
            results.environment[f"seconds_{part.__name__.rpartition('.')[2]}"] = round(time.perf_counter() - began, 1)
    finally:
        torch.set_num_threads(threads)
    if setting.quick:
        results.figures = [replace(figure, goal=None) for figure in results.figures]
    results.environment["seconds"] = round(time.perf_counter() - started, 1)
    if hasattr(os, "getloadavg"):
        results.environment["load_at_the_end"] = [round(value, 2) for value in os.getloadavg()]
    out.mkdir(parents=True, exist_ok=True)
    results.save(out / "results.json")
    return results
