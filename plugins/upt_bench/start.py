"""Start-up: processor time until help is shown, and of a check beyond the import of torch."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from upt_bench.clock import Ratio
from upt_bench.main_example import main_example
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting

ROUNDS = 15


def measure(setting: Setting, results: Results) -> None:
    """Fresh processes in turn, each with compiled files in a cache, as an installation has them."""
    commands = {
        "nothing": ["-c", "pass"],
        "libraries": ["-c", "import click, pluggy"],
        "help": ["-m", "upt_core", "--help"],
        "torch": ["-c", "import torch"],
        "check": ["-m", "upt_core", "check", str(main_example())],
    }
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": folder, "OMP_NUM_THREADS": "1", "UPT_CACHE": str(Path(folder) / "data")}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for arguments in commands.values():
            _seconds(arguments, environment)  # compiles, and makes the data
        for round_ in range(2 if setting.quick else ROUNDS):
            setting.say(f"start-up, round {round_ + 1}")
            for name, arguments in commands.items():
                seconds[name].append(_seconds(arguments, environment))
    found = {name: statistics.median(values) for name, values in seconds.items()}
    help_ = Ratio.of(seconds["help"])
    beyond = Ratio.of([one - other for one, other in zip(seconds["check"], seconds["torch"], strict=True)])
    results.curves["start"] = [{"command": name, "seconds": value} for name, value in found.items()]
    results.figures += [
        Figure(
            "help",
            "`upt --help`: processor seconds",
            help_.value,
            0.1,
            unit=" s",
            detail=f"an empty Python takes {found['nothing']:.2g} s, importing click and pluggy alone "
            f"{found['libraries']:.2g} s",
            noise=help_.noise,
        ),
        Figure(
            "check",
            "`upt check` of the main example beyond importing torch: processor seconds",
            beyond.value,
            0.5,
            unit=" s",
            detail=f"{found['check']:.3g} s, of which torch {found['torch']:.3g} s; its data are made before",
            noise=beyond.noise,
        ),
    ]


def _seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Processor seconds of a fresh Python, by user and system."""
    before = _of_children()
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    after = _of_children()
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return after - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
