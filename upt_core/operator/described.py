"""What is said of an operator, as rows of a name and a text: for ``upt info`` and for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from upt_core.figures import count, number

Row = tuple[str, str]
"""A name, and what is said of it; without a name it goes on with the row above."""


def summary(found: Mapping[str, Any]) -> list[Row]:
    """Fields, box, model and what it was trained on.

    Args:
        found: what ``upt_core.operator.facts`` says of an operator.
    """
    return [*_data(found["data"]), *_model(found), *_training(found["training"])]


def details(found: Mapping[str, Any]) -> list[Row]:
    """Where it comes from, and how its fields are scaled."""
    return [*_origin(found), *_scales(found)]


def _data(data: Mapping[str, Any]) -> Iterator[Row]:
    yield "inputs", _fields(data["inputs"]) + (f", {data['history']} frames" if data.get("history", 1) > 1 else "")
    how = "a steady solution" if data["steady"] else "at later time steps"
    yield "targets", f"{_fields(data['targets'])}, {how}"
    bundle = data.get("bundle", 1)
    if bundle > 1:
        yield "bundle", f"{bundle} time steps a call"
    yield "units", "those of the training data, in and out"
    spans = zip(data["origin"] or [0.0] * len(data["extent"]), data["extent"], data["periodic"], strict=True)
    yield "box", " x ".join(f"[{a:g}, {a + e:g}]{' periodic' if wraps else ''}" for a, e, wraps in spans)
    grid = data["grid_shape"]
    yield "points", "scattered" if grid is None else f"a grid of {' x '.join(map(str, grid))} in training"
    if data.get("targets_apart"):
        own = data["target_grid"]
        yield "targets at", "scattered points" if own is None else f"a grid of {' x '.join(map(str, own))} in training"
    yield "conditions", ", ".join(data["condition"]) or "none"


def _fields(fields: list[dict[str, Any]]) -> str:
    return ", ".join(f["name"] if f["channels"] == 1 else f"{f['name']} ({f['channels']} channels)" for f in fields)


def _model(found: Mapping[str, Any]) -> Iterator[Row]:
    model, parameters = found["model"], found["parameters"]
    latent = model["latent"] or {}
    tokens = latent.get("tokens")
    shape = " x ".join(map(str, tokens)) if isinstance(tokens, list | tuple) else str(tokens)
    yield "latent", f"{shape} tokens of width {latent.get('dim')}"
    for part in ("encoder", "approximator", "decoder"):
        settings = dict(model[part] or {})
        name = settings.pop("name", "?")
        chosen = ", ".join(f"{key}: {_yaml(value)}" for key, value in settings.items() if value is not None)
        yield part, f"{name}, {count(parameters[part])} parameters{f' ({chosen})' if chosen else ''}"
    yield "parameters", count(sum(parameters.values()))


def _yaml(value: Any) -> str:
    """A setting as a configuration writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _training(training: Mapping[str, Any]) -> Iterator[Row]:
    data = dict(training["data"] or {})
    place = data.get("path") or (data.get("base") or {}).get("path")
    name = data.get("name", "not said")
    numbers = ", ".join(f"{count(n)} {split}" for split, n in training["trajectories"].items())
    yield "trained on", f"{name}{f' {place}' if place else ''}: {numbers} trajectories"
    yield "fingerprint", training["fingerprint"]
    least, most = training["points"]
    steps = training["time_step"]
    span = "" if steps is None else f", time steps of {_span(steps)}"
    yield "saw", f"{_span([least, most])} points{span}"
    for what in ("ranges", "conditions"):
        for name, ends in training[what].items():
            yield "" if what == "ranges" else "condition", f"{name} from {number(ends[0])} to {number(ends[1])}"


def _span(ends: list[float]) -> str:
    low, high = ends
    return f"{low:g}" if high - low <= 1e-6 * abs(high) else f"{low:g} to {high:g}"


def _origin(found: Mapping[str, Any]) -> Iterator[Row]:
    provenance = found["provenance"]
    run = " ".join(str(provenance[key]) for key in ("name", "started") if provenance.get(key))
    yield "run", run or "not said"
    git = provenance.get("git")
    if git:
        yield "git", f"{git['commit'][:12]} on {git['branch']}{', with changes' if git['changed'] else ''}"
    versions = {f"{source['distribution']} {source['version']}" for source in found["plugins"].values()}
    yield (
        "versions",
        ", ".join([*sorted(versions), *([f"torch {provenance['torch']}"] if "torch" in provenance else [])]),
    )
    for number_of, parent in enumerate(provenance.get("parents") or [], 1):
        yield (
            f"parent {number_of}",
            parent if isinstance(parent, str) else ", ".join(f"{k}: {v}" for k, v in parent.items()),
        )
    if "digest" in found:
        yield "digest", f"{found['digest']}, format {found['format']}"


def _scales(found: Mapping[str, Any]) -> Iterator[Row]:
    scales = [*found["normalization"]["fields"].items(), *found["normalization"]["condition"].items()]
    for place, (name, scale) in enumerate(scales):
        text = f"{name}: mean {number(scale['mean'])}, deviation {number(scale['std'])}"
        yield "scaled by" if place == 0 else "", text
