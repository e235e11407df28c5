"""Save, load, resume: one file, written atomically, that holds tensors and plain data only."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upt_core.errors import CheckpointError
from upt_core.seeding import stream_seed

FORMAT = 1


def save(state: Mapping[str, Any], path: Path) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    torch.save({"format": FORMAT, **state}, part)
    os.replace(part, path)


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU.

    Raises:
        CheckpointError: missing, truncated, not a checkpoint of upt, or of a newer format.
    """
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in path.parent.glob("*.pt"))) if path.parent.is_dir() else ""
        raise CheckpointError(f"{path}: there is no such checkpoint{f'; there are: {there}' if there else ''}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: cannot be read as a checkpoint (truncated, or another file?): {reason}"
        ) from error
    if not isinstance(state, dict) or "format" not in state:
        raise CheckpointError(f"{path}: this is not a checkpoint of upt")
    if state["format"] > FORMAT:
        raise CheckpointError(f"{path}: written by a newer upt (format {state['format']}); install that version")
    return state


def weights(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, the moving average where there is one.

    Raises:
        CheckpointError: unreadable.
    """
    state = load(path)
    return {**state["model"], **(state["ema"]["average"] if state.get("ema") else {})}


def load_model(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Loads weights, and says which differ where they belong to another architecture.

    Raises:
        CheckpointError: names or shapes differ.
    """
    own = model.state_dict()
    differences = [f"{name} is missing in the checkpoint" for name in own if name not in weights]
    differences += [f"{name} is not part of the model" for name in weights if name not in own]
    differences += [
        f"{name} has shape {tuple(weights[name].shape)}, the model {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if differences:
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(
            f"{path}: belongs to another architecture: {'; '.join(differences[:3])}{more}; use the configuration "
            f"that is beside the checkpoint's run"
        )
    model.load_state_dict(dict(weights))


def random_state(device: torch.device) -> dict[str, Any]:
    """The global random states that dropout uses."""
    state = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def random_state_of(state: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """The random state of a process in a checkpoint; one that has more processes now gets one of its own."""
    saved: list[dict[str, Any]] = [state["random"], *state.get("random_of_others", ())]
    if rank < len(saved):
        return saved[rank]
    first = hashlib.blake2b(saved[0]["torch"].numpy().tobytes(), digest_size=8).digest()
    seed = stream_seed(int.from_bytes(first, "little"), "process", rank)
    return {"torch": torch.Generator().manual_seed(seed).get_state(), "seed": seed}


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Restores what ``random_state`` gave."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "cuda" and "seed" in state:
        torch.cuda.manual_seed(state["seed"])
