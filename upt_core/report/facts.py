"""What was run, in a sentence and in numbers: data, model, speed, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from upt_core.figures import count
from upt_core.report.load import RunData
from upt_core.report.so_far import in_time


def sentence(run: RunData) -> str:
    """What was trained on what; empty where nothing was recorded."""
    found = run.description
    if not found:
        return ""
    parts = "–".join(_plugin(run, part) for part in ("encoder", "approximator", "decoder"))
    terms = " + ".join(run.config.get("losses") or {})
    return f"{count(sum(found['parameters'].values()))} parameters ({parts}); {_data(run)}; losses {terms}."


def numbers(run: RunData) -> dict[str, str]:
    """Name → figure."""
    found = run.description
    rows = {f"data{_of(task)}": _described(data) for task, data in found.get("data", {}).items()}
    if "parameters" in found:
        rows["parameters"] = ", ".join(f"{name} {count(size)}" for name, size in found["parameters"].items())
        rows["training"] = f"{count(found['train_samples'])} samples, {found['steps_per_epoch']} steps an epoch"
    rows |= _sampling(run) | _speed(run) | _time(run)
    if "peak_memory_bytes" in found:
        rows["largest memory"] = f"{count(round(found['peak_memory_bytes'] / 2**20))} MiB"
    return rows


def _plugin(run: RunData, part: str) -> str:
    found = (run.config.get("model") or {}).get(part) or {}
    return str(found.get("name", part) if isinstance(found, Mapping) else found)


def _data(run: RunData) -> str:
    if run.config.get("tasks"):
        return f"tasks {', '.join(run.config['tasks'])}"
    data = run.config.get("data") or {}
    if not isinstance(data, Mapping):
        return f"data set {data}"
    path = data.get("path")
    return f"data set {data.get('name', '')}" + (f" ({PurePath(path).name})" if isinstance(path, str) else "")


def _described(data: Mapping[str, Any]) -> str:
    shape = data["grid_shape"]
    points = f"a grid of {' × '.join(map(str, shape))} points" if shape else f"up to {count(data['points'])} points"
    fields = f"{_fields(data['inputs'])} → {_fields(data['targets'])}"
    parts = [fields, points, f"{_box(data['extent'])}"]
    parts += ["steady"] if data["steady"] else []
    parts += [f"conditions {', '.join(data['condition'])}"] if data["condition"] else []
    parts += [f"history of {data['history']} time steps"] if data["history"] > 1 else []
    return ", ".join([*parts, f"{count(data['train_samples'])} training samples"])


def _box(extent: Sequence[float]) -> str:
    return f"{'box' if len(extent) > 1 else 'length'} {' × '.join(f'{length:.3g}' for length in extent)}"


def _fields(fields: Mapping[str, int]) -> str:
    return ", ".join(name if channels == 1 else f"{name} ({channels} channels)" for name, channels in fields.items())


def _sampling(run: RunData) -> dict[str, str]:
    latest = {f"query points{_of(str(found['stream']))}": found for found in run.densities}
    rows = {
        name: f"{int(found['count'])} of each sample, effective {100 * float(found['effective_share']):.0f} %"
        for name, found in latest.items()
    }
    share = run.series("epoch").get("sampling_share")
    if share is not None:
        rows["gradient noise due to query points"] = f"{100 * float(share.value[-1]):.0f} %"
    return rows


def _speed(run: RunData) -> dict[str, str]:
    epochs = run.series("epoch")
    if "samples_per_second" not in epochs:
        return {}
    speed = float(epochs["samples_per_second"].value[-1])
    counts = [int(found["count"]) for found in run.densities[-1:]]
    points = f", {count(round(speed * counts[0]))} query points" if counts else ""
    return {"speed": f"{_rounded(speed)} samples{points} a second"}


def _rounded(value: float) -> str:
    """Three digits at least, and none after the point from 100 on."""
    return count(round(value)) if value >= 100 else f"{value:.3g}"


def _time(run: RunData) -> dict[str, str]:
    """Where the time went: steps of training, of which waiting for data, and all else."""
    epochs = run.series("epoch")
    if "seconds" not in epochs:
        return {}
    steps, waiting = float(epochs["seconds"].value.sum()), epochs.get("seconds_waiting")
    parts = [f"steps {in_time(steps)}"]
    if waiting is not None:
        parts += [f"of which waiting for data {in_time(float(waiting.value.sum()))}"]
    rest = max(run.seconds - steps, 0.0)
    return {"time": f"{', '.join(parts)}; start, validation, measurements, saving and plots {in_time(rest)}"}


def _of(name: str) -> str:
    return f" of {name}" if name and name != "sampler" else ""
