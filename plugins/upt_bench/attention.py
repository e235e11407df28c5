"""How the cost of the transformer approximator grows with the tokens on a lattice, for each kind of its attention."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from upt_bench.clock import Action, Times, times
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import DataSpec, FieldSpec, LatentSpec

SIDES, QUICK = (16, 32, 64, 128), (4, 8)
KINDS: dict[str, dict[str, Any]] = {
    "full": {},
    "windowed": {"attention": "windowed", "window": 8},
    "linear": {"attention": "linear"},
}
MOST = 1.1
"""Costs should grow in proportion; the exponent of the growth, with some room for the processor's caches."""


def measure(setting: Setting, results: Results) -> None:
    """Forward and backward of two blocks of width 64, at every size, in turn."""
    sides = QUICK if setting.quick else SIDES
    actions = {_name(kind, side): _gradient(setting, kind, side) for side in sides for kind in KINDS}
    setting.say("attention: " + ", ".join(f"{side**2:,}" for side in sides) + " tokens")
    found = times(actions, setting.device, 3, 0.2 if setting.quick else 60.0)
    results.curves["attention"] = [
        {"tokens": side**2, "attention": kind, "ms": 1e3 * found.median(_name(kind, side))}
        for side in sides
        for kind in KINDS
    ]
    results.figures += [_growth(found, kind, sides) for kind in KINDS]
    results.figures += [_to_full(found, kind, sides[-1]) for kind in KINDS if kind != "full"]


def _name(kind: str, side: int) -> str:
    return f"{kind} {side}"


def _gradient(setting: Setting, kind: str, side: int) -> Action:
    field = (FieldSpec("u"),)
    data = DataSpec(field, field, (1.0, 1.0), (True, True), (4 * side, 4 * side))
    latent = LatentSpec.on_lattice((side, side), 16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        make = setting.registry.load("approximator", "transformer")
        part = make(data, latent, depth=2, **KINDS[kind]).to(setting.device)
    latent_BLD = torch.rand(1, latent.tokens, latent.dim, generator=setting.rng(), device=setting.device)

    def gradient() -> None:
        next_BLD: Tensor = part(latent_BLD, None)
        part.zero_grad(set_to_none=True)
        torch.autograd.backward(next_BLD.square().mean())

    return gradient


def _growth(found: Times, kind: str, sides: tuple[int, ...]) -> Figure:
    """From the second half of the sizes' range, where the tokens are most of the cost."""
    first, last = sides[-3:][0], sides[-1]
    growth = found.ratio(_name(kind, last), _name(kind, first))
    per_e = math.log((last / first) ** 2)
    return Figure(
        f"growth_{kind}",
        f"{kind} attention: time grows with the tokens to the power of",
        math.log(growth.value) / per_e,
        None if kind == "full" else MOST,
        detail=f"{growth.value:.3g} times from {first**2:,} to {last**2:,} tokens",
        noise=None if growth.noise is None else growth.noise / abs(math.log(growth.value)),
    )


def _to_full(found: Times, kind: str, side: int) -> Figure:
    ratio = found.ratio(_name(kind, side), _name("full", side))
    own, full = (found.median(_name(name, side)) for name in (kind, "full"))
    return Figure(
        f"{kind}_to_full",
        f"{kind} attention: time over that of full attention, {side**2:,} tokens",
        ratio.value,
        detail=f"{own:.3g} s and {full:.3g} s",
        noise=ratio.noise,
    )
