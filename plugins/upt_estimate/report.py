"""An estimate as plain data, as tables and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upt_core import Experiment, UserError
from upt_core.commands import count, heading, table
from upt_estimate.limits import largest_batch, largest_queries
from upt_estimate.picture import draw
from upt_estimate.sizes import number_text, parse_size, size_text
from upt_estimate.subject import Subject
from upt_estimate.trial import StepCost, try_step

WHAT_IF = (
    ("bf16", ("trainer.precision=bf16",)),
    ("activation checkpointing", ("trainer.activation_checkpointing=[encoder, approximator, decoder]",)),
    ("decoding in chunks of 256", ("trainer.decode_chunk=256",)),
)


def estimate_of(
    config: Path,
    overrides: Sequence[str],
    devices: int = 1,
    memory: str | None = None,
    what_if: bool = False,
    plot: Path | None = None,
) -> dict[str, Any]:
    """What ``upt estimate`` finds, as plain data; sizes in bytes.

    Raises:
        ConfigError: the configuration is wrong.
        UserError: it has several tasks, or cannot be tried on tensors without values.
    """
    limit = None if memory is None else parse_size(memory)
    experiment = Experiment.from_yaml(config, overrides)
    size = experiment.settings.trainer.batch_size
    if devices < 1 or devices > size:
        raise UserError(f"--devices: expected 1 to {size}, as a batch has {size} samples; got {devices}")
    stages = {stage.name: Subject(experiment.of_stage(stage), stage.freeze) for stage in experiment.stages}
    own = -(-size // devices)
    tried = {name: try_step(subject, own, devices=devices) for name, subject in stages.items()}
    name = max(tried, key=lambda stage: tried[stage].peak)
    subject, settings = stages[name], stages[name].experiment.settings
    found: dict[str, Any] = {
        "config": str(config),
        "read": subject.read,
        "points": subject.num_points,
        "device": settings.trainer.device,
        "devices": devices,
        "precision": settings.trainer.precision,
        "stages": {stage: one.peak for stage, one in tried.items()} if len(tried) > 1 else {},
        **plain(tried[name]),
    }
    if limit is not None:
        found["memory"] = limit
        found["largest_batch"] = largest_batch(subject, limit, devices)
        found["training_samples"] = subject.samples
        sampled = any(queries < subject.num_points for queries in tried[name].queries.values())
        found["largest_queries"] = largest_queries(subject, limit, own, devices) if sampled else None
    if what_if:
        found["what_if"] = {what: _changed(config, [*overrides, *more], own, devices) for what, more in WHAT_IF}
    if plot is not None:
        draw(subject, own, devices, plot)
        found["plot"] = str(plot)
    return found


def plain(found: StepCost) -> dict[str, Any]:
    """A trial as plain data."""
    return {
        "batch_size": found.batch_size,
        "parameters": dict(found.parameters),
        "peak": found.peak,
        "at_peak": dict(found.at_peak),
        "kept": [
            {"term": label[1], "part": label[2] if len(label) > 2 else "", "bytes": size}
            for label, size in sorted(found.kept.items(), key=lambda item: -item[1])
        ],
        "queries": dict(found.queries),
        "flops": found.flops,
        "bytes_moved": found.moved,
    }


def _changed(config: Path, overrides: Sequence[str], batch_size: int, devices: int) -> dict[str, int]:
    experiment = Experiment.from_yaml(config, overrides)
    stage = experiment.stages[-1]
    found = try_step(Subject(experiment.of_stage(stage), stage.freeze), batch_size, devices=devices)
    return {"peak": found.peak, "flops": found.flops}


def text(found: dict[str, Any]) -> str:
    """The tables of the terminal."""
    of = f" on each of {found['devices']} devices" if found["devices"] > 1 else ""
    title = f"{found['config']}: a step of {found['batch_size']} samples{of}, {found['precision']}"
    parts = [heading(title)]
    parts.append(table([["data read", found["read"]], ["points", f"at most {count(found['points'])} a sample"]]))
    peak = [[what, size_text(size)] for what, size in sorted(found["at_peak"].items(), key=lambda item: -item[1])]
    parts.append(table([*peak, ["peak", size_text(found["peak"])]], ["MEMORY AT THE PEAK", ""], right=[1]))
    kept = [
        [row["term"], row["part"] or "itself", count(found["queries"][row["term"]]), size_text(row["bytes"])]
        for row in found["kept"]
    ]
    parts.append(table(kept, ["KEPT FOR THE BACKWARD PASS", "IN", "POINTS", "SIZE"], right=[2, 3]))
    counts = [[part, count(size)] for part, size in found["parameters"].items()]
    parts.append(table(counts, ["PARAMETERS", ""], right=[1]))
    moved = f"{size_text(found['bytes_moved'])} read and written"
    parts.append(table([["operations", f"{number_text(found['flops'])}FLOP, {moved}"]]))
    return "\n\n".join([*parts, *_more(found)])


def _more(found: dict[str, Any]) -> list[str]:
    """What was asked for beside the estimate."""
    parts = []
    if found["stages"]:
        rows = [[name, size_text(size)] for name, size in found["stages"].items()]
        parts.append(table(rows, ["STAGE", "PEAK"], right=[1]))
    if "what_if" in found:
        rows = [
            [what, size_text(one["peak"]), f"{number_text(one['flops'])}FLOP"] for what, one in found["what_if"].items()
        ]
        parts.append(table(rows, ["WITH", "PEAK", ""], right=[1, 2]))
    if "memory" in found:
        parts.append(_fits(found))
    if "plot" in found:
        parts.append(f"wrote {found['plot']}")
    return parts


def _fits(found: dict[str, Any]) -> str:
    size = size_text(found["memory"])
    batch = found["largest_batch"]
    lines = [
        f"with {size} for each device: trainer.batch_size={batch} fits"
        if batch
        else f"not even one sample fits into {size}"
    ]
    if batch > found["training_samples"]:
        lines[0] += f"; the training split has {count(found['training_samples'])} samples, so use that at most"
    queries = found["largest_queries"]
    if queries is None:
        lines.append("no term takes a sampler, so fewer query points save no memory")
    elif queries:
        lines.append(f"at this batch size: {count(queries)} query points of {count(found['points'])}")
    return "\n".join(lines)
