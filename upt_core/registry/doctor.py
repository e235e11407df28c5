"""Examines plugins from outside, in processes of their own, so that none can stop upt; names those that are missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from itertools import groupby
from pathlib import Path
from typing import Literal

from upt_core.errors import CheckpointError
from upt_core.registry import KINDS, ROLES, Entry, Extension, Kind, Registry, Role
from upt_core.registry.discovery import GROUP, load
from upt_core.registry.entry_probe import MOST_BYTES, TOO_LARGE
from upt_core.registry.names import BrokenPlugin, Distribution
from upt_core.whole_file import read_json

OWN = "upt-core"
WITHOUT = "UPT_DOCTOR_WITHOUT"
"""Tells the processes that the doctor starts which entry points they must not import, by names with spaces between."""
_MARK = "upt-tryout "
Brought = Entry | Extension
State = Literal["ok", "partly", "refused", "broken"]


@dataclass(frozen=True)
class Finding:
    """What the doctor found of one plugin.

    Args:
        entry: the plugin, command or converter.
        state: ok; partly: sound, but its kit needs arguments; refused: by the kit of its kind; broken: cannot be used.
        message: what is wrong.
        import_s: seconds that its import took, beyond that of upt_core and torch.
    """

    entry: Brought
    state: State
    message: str
    import_s: float


def examine(entries: Sequence[Brought], seconds_each: float = 120.0, without: Sequence[str] = ()) -> Iterator[Finding]:
    """Tries plugins, those of one distribution in one process; one that ends its process is named, the others go on.

    Args:
        entries: the plugins, sorted by distribution.
        seconds_each: time that a plugin may take on average before its process is ended.
        without: names of entry points that must not be imported.
    """
    for _, group in groupby(entries, key=lambda entry: entry.distribution):
        left = list(group)
        while left:
            found, end = _tried(left, seconds_each * len(left), without)
            yield from found
            left = left[len(found) :]
            if left:
                yield Finding(left[0], "broken", end, 0.0)
                left = left[1:]


def survivors(points: Iterable[EntryPoint], seconds_each: float = 60.0) -> tuple[list[EntryPoint], list[BrokenPlugin]]:
    """The entry points whose import ends, and those whose import ends or blocks the process that does it.

    Each of another distribution than upt's own is imported in a process of its own.

    Args:
        points: of the group.
        seconds_each: time that one import may take before its process is ended.
    """
    well: list[EntryPoint] = []
    broken: list[BrokenPlugin] = []
    for point in points:
        if point.dist is None or point.dist.name == OWN:
            well.append(point)
            continue
        command = [sys.executable, "-m", "upt_core.registry.entry_probe", point.dist.name, point.name]
        end = _end_of(command, seconds_each)
        if end:
            distribution = Distribution(str(point.dist.name), str(point.dist.version))
            broken.append(BrokenPlugin(point.name, distribution, f"its import {end}"))
        else:
            well.append(point)
    return well, broken


def _end_of(command: Sequence[str], seconds: float) -> str:
    """How a process ended, in words; empty where it ended well."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"did not end within {seconds:g} s"
    if done.returncode == TOO_LARGE:
        return f"tried to use more than {MOST_BYTES // 2**30} GiB of memory"
    return ended(done.returncode) if done.returncode else ""


def ended(code: int) -> str:
    """How a process ended, from its exit code: the signal by name, or the code."""
    if code < 0:
        return f"ended the process by {signal.Signals(-code).name}"
    return f"ended the process with code {code}"


def built_in(points: Iterable[EntryPoint] | None = None) -> Registry:
    """The registry of upt's own plugins alone; nobody else's code is imported. For ``--no-third-party``."""
    points = entry_points(group=GROUP) if points is None else points
    return load(point for point in points if point.dist is not None and point.dist.name == OWN)


def missing_plugins(recorded: Mapping[str, Mapping[str, str]], registry: Registry) -> list[str]:
    """What to install before a run or checkpoint can be used: one line for each plugin that is not there.

    Args:
        recorded: "kind name" → {"distribution", "version"}, as in ``environment.json`` and in checkpoints.
        registry: what is installed.
    """
    lines = []
    for plugin, source in recorded.items():
        kind, _, name = plugin.partition(" ")
        if kind in KINDS and not registry.entries.get((kind, name)):
            lines.append(_missing(kind, name, source, registry))
    return lines


def _missing(kind: Kind, name: str, source: Mapping[str, str], registry: Registry) -> str:
    """What to do about a plugin that is not there: its distribution may be, without it."""
    distribution, wanted = source["distribution"], f"{source['distribution']}=={source['version']}"
    try:
        present = version(distribution)
    except PackageNotFoundError:
        return f"{kind} {name!r} is not installed; it came with {wanted}: pip install '{wanted}'"
    said = f"{kind} {name!r} came with {wanted}; {distribution} {present} is installed"
    causes = [str(plugin.cause) for plugin in registry.broken if plugin.distribution.name == distribution]
    if causes:
        return f"{said}, but it does not load: {'; '.join(causes)}"
    brought = [
        (e.kind, e.name) for claims in registry.entries.values() for e in claims if e.distribution.name == distribution
    ]
    if not brought:
        return f"{said}, but none of its plugins is in use: upt plugins says why; --no-third-party leaves them out"
    others = sorted(other for of_kind, other in brought if of_kind == kind)
    has = f"it has {', '.join(map(repr, others))}" if others else f"it has no {kind}"
    older = "" if present == source["version"] else f"pip install '{wanted}', or "
    return f"{said}, but {has}; {older}if the class was renamed, register it under {name!r} too"


def check_run(folder: Path, registry: Registry) -> None:
    """Refuses a run folder whose plugins are not all installed; looks at nothing where no versions are recorded.

    Raises:
        CheckpointError: plugins are missing, and the message says what to install; or the record is damaged.
    """
    lines = missing_plugins(read_json(folder / "environment.json").get("plugins", {}), registry)
    if lines:
        raise CheckpointError(
            f"{folder}: plugins of this run are missing\n" + "\n".join(f"    {line}" for line in lines)
        )


def _tried(entries: Sequence[Brought], seconds: float, without: Sequence[str]) -> tuple[list[Finding], str]:
    """Findings of the plugins that were tried, in order, and how the process ended."""
    words = [word for entry in entries for word in (entry.kind, entry.name)]
    command = [sys.executable, "-m", "upt_core.testing.tryout", *words]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", WITHOUT: " ".join(without)},
        )
    except subprocess.TimeoutExpired as late:
        return _findings(entries, _text(late.stdout)), f"it did not end within {seconds:g} s"
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return _findings(entries, done.stdout), f"it {ended(done.returncode)} ({last})"


def _findings(entries: Sequence[Brought], output: str) -> list[Finding]:
    found = [json.loads(line.removeprefix(_MARK)) for line in output.splitlines() if line.startswith(_MARK)]
    return [
        Finding(entry, one["state"], one["message"], one["import_s"])
        for entry, one in zip(entries, found, strict=False)
    ]


def _text(output: str | bytes | None) -> str:
    return output.decode() if isinstance(output, bytes) else output or ""


def chosen(registry: Registry, names: Sequence[str], kind: Kind | Role | None = None) -> list[Brought]:
    """Every claim of these names (none: all names), by distribution, kind and name; commands and converters, too."""
    claimed: list[Sequence[Brought]] = [*registry.entries.values(), *registry.extensions.values()]
    found = [each for claims in claimed for each in claims if not names or each.name in names]
    order = (*KINDS, *ROLES)
    return sorted(
        (each for each in found if kind in (None, each.kind)),
        key=lambda e: (e.distribution.name, e.distribution.version, order.index(e.kind), e.name),
    )
