"""Twelve experiments whose memory is estimated and measured: kinds of data, parts, losses, and savings of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]

GRID_2D: Config = {"name": "burgers2d", "points": 32, "num_trajectories": 8, "num_times": 6}
SCATTERED: Config = {
    "name": "burgers2d",
    "layout": "scattered",
    "num_trajectories": 12,
    "num_times": 5,
    "points_min": 700,
    "points_max": 900,
}
ATTENTION: Config = {
    "latent": {"tokens": 64, "dim": 64},
    "encoder": {"name": "grid", "patch": 4},
    "approximator": {"name": "transformer", "depth": 2},
    "decoder": {"name": "perceiver", "depth": 2},
}
LOCAL: Config = {
    "latent": {"tokens": [8, 8], "dim": 32},
    "encoder": "patches",
    "approximator": "convolution",
    "decoder": {"name": "basis", "functions": 4},
}
ON_LATTICE: Config = LOCAL | {"encoder": "lattice", "approximator": "spectral"}
ON_SUPERNODES: Config = ATTENTION | {"encoder": {"name": "supernode", "supernodes": 128}}
IN_1D: Config = {"name": "burgers1d", "points": 256, "num_trajectories": 16, "num_times": 8}
LOCAL_1D: Config = {
    "latent": {"tokens": [64], "dim": 16},
    "encoder": "patches",
    "approximator": "spectral",
    "decoder": {"name": "basis", "functions": 7},
}
ATTENTION_1D: Config = ATTENTION | {"encoder": {"name": "grid", "patch": 8}}
SAMPLER: Config = {"name": "stratified", "num_queries": 512}
JITTERED: Config = {"name": "jittered", "base": {"name": "stratified", "num_queries": 64}}
THREE: Config = {name: name for name in ("forward", "inverse_encoding", "inverse_decoding")}
RELATIVE: Config = {
    "forward": {"name": "forward", "norm": "relative"},
    "inverse_encoding": {"name": "inverse_encoding", "norm": "relative"},
    "consistency": {"name": "forward", "space": "latent", "norm": "relative"},
}
MIXED: Config = THREE | {"inverse_decoding": {"name": "inverse_decoding", "reads": "mixed"}}
WHOLE: Config = {"forward": "forward", "fine": "spectral", "total": "conservation"}
ROLLOUT: Config = {"rollout": {"name": "rollout", "steps": 4}}


def _experiment(data: Config, model: Config, losses: Config, sampler: Config | None = None, **trainer: Any) -> Config:
    return {
        "data": data,
        "model": model,
        "sampler": sampler,
        "losses": losses,
        "trainer": {"epochs": 1, "batch_size": 8, "optimizer": "adamw", "device": "cpu", **trainer},
        "validation": {"metrics": {"rmse": "rmse"}},
    }


PARTS = ["encoder", "approximator", "decoder"]
CASES: Mapping[str, Config] = {
    "1-D, patches, spectral, basis; relative losses; soap": _experiment(
        IN_1D, LOCAL_1D, RELATIVE, JITTERED, batch_size=32, optimizer="soap", clip_norm=None
    ),
    "1-D, grid, transformer, perceiver; forward on all points": _experiment(
        IN_1D, ATTENTION_1D, {"forward": "forward"}, batch_size=16
    ),
    "1-D, rollout of 4 steps": _experiment(IN_1D, ATTENTION_1D, ROLLOUT, JITTERED["base"], batch_size=16),
    "2-D, grid, transformer, perceiver; three losses": _experiment(GRID_2D, ATTENTION, THREE, SAMPLER),
    "the same, decoded in chunks": _experiment(GRID_2D, ATTENTION, THREE, SAMPLER, decode_chunk=128),
    "the same, activation checkpointing": _experiment(
        GRID_2D, ATTENTION, THREE, SAMPLER, activation_checkpointing=PARTS
    ),
    "the same, bf16": _experiment(GRID_2D, ATTENTION, THREE, SAMPLER, precision="bf16"),
    "the same, inverse_decoding mixed; muon, moving average": _experiment(
        GRID_2D, ATTENTION, MIXED, SAMPLER, optimizer="muon", ema=0.99
    ),
    "2-D, forward, spectral and conservation": _experiment(GRID_2D, ATTENTION, WHOLE),
    "2-D, patches, convolution, basis; three losses": _experiment(GRID_2D, LOCAL, THREE, SAMPLER),
    "points, supernodes, transformer, perceiver; three losses": _experiment(
        SCATTERED, ON_SUPERNODES, THREE, SAMPLER | {"num_queries": 256}
    ),
    "points, lattice, spectral, basis; forward": _experiment(
        SCATTERED, ON_LATTICE, {"forward": "forward"}, SAMPLER | {"num_queries": 256}
    ),
}
