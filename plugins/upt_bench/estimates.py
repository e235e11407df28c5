"""The benchmark of ``upt estimate``: its peak memory beside the measured one, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from upt_bench.estimate_cases import CASES, Config
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting

GOAL = 0.1


def measure(setting: Setting, results: Results) -> None:
    """Every case; of a quick run the second."""
    rows: list[dict[str, Any]] = []
    for name in list(CASES)[1:2] if setting.quick else CASES:
        setting.say(f"estimate and measurement: {name}")
        config = CASES[name] | {"trainer": CASES[name]["trainer"] | {"device": str(setting.device)}}
        estimated, measured = _estimated(config), _measured(config)
        rows.append({"case": name, "estimated": estimated / 2**20, "measured": measured / 2**20})
        rows[-1]["ratio"] = estimated / measured
    results.curves["estimates"] = rows
    worst = max(rows, key=lambda row: abs(row["ratio"] - 1))
    results.figures.append(
        Figure(
            "estimate",
            "estimated over measured peak memory of a step: largest difference from 1",
            abs(worst["ratio"] - 1),
            GOAL,
            detail=f"{len(rows)} experiments; the largest: {worst['case']}",
        )
    )


def _estimated(config: Config) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")  # YAML reads JSON
        return int(json.loads(_output(["upt_core", "estimate", str(path), "--json"]))["peak"])


def _measured(config: Config) -> int:
    return int(_output(["upt_bench.measured_peak"], json.dumps(config)).split()[-1])


def _output(arguments: list[str], given: str = "") -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python -m {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout
