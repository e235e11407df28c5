"""CUDA graphs: the model's parts with static shapes, launched as one, beside launching each kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from upt_bench.clock import Action, times
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import DataSpec, FieldSpec, LatentSpec

PARTS = ("approximator", "decoder")
WITHOUT = "CUDA graphs are left out: they need a CUDA device"


def measure(setting: Setting, results: Results) -> None:
    """Forward and backward of a spectral approximator and a basis decoder; on CUDA only."""
    if setting.device.type != "cuda":
        results.environment["left_out"] = WITHOUT
        setting.say(WITHOUT)
        return
    setting.say("CUDA graphs")
    actions: dict[str, Action] = {}
    for kind in PARTS:
        part, arguments = _part(setting, kind)
        actions[kind] = _gradient(part, arguments)
        part, arguments = _part(setting, kind)
        graphed: Callable[..., object] = torch.cuda.make_graphed_callables(part, arguments)
        actions[f"{kind}, graph"] = _gradient(graphed, arguments)
    found = times(actions, setting.device, 50, 0.5 if setting.quick else 20.0)
    for kind in PARTS:
        ratio = found.ratio(f"{kind}, graph", kind)
        results.figures.append(
            Figure(
                f"graph_{kind}",
                f"{kind} as a CUDA graph: time of forward and backward over launching each kernel",
                ratio.value,
                detail=f"{1e3 * found.median(f'{kind}, graph'):.3g} ms and {1e3 * found.median(kind):.3g} ms",
                noise=ratio.noise,
            )
        )


def _part(setting: Setting, kind: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    field = (FieldSpec("u", 3),)
    data, latent = DataSpec(field, field, (1.0, 1.0), (True, True), (64, 64)), LatentSpec.on_lattice((16, 16), 16)
    load = setting.registry.load
    make = load("approximator", "spectral") if kind == "approximator" else load("decoder", "basis")
    part: nn.Module = make(data, latent).to(setting.device)
    latent_BLD = torch.rand(8, latent.tokens, latent.dim, generator=setting.rng(), device=setting.device)
    coords_BQX = torch.rand(8, 2048, 2, generator=setting.rng(), device=setting.device)
    latent_BLD.requires_grad_()
    return part, (latent_BLD,) if kind == "approximator" else (latent_BLD, coords_BQX)


def _gradient(part: Callable[..., object], arguments: tuple[torch.Tensor, ...]) -> Action:
    def gradient() -> None:
        answer = part(*arguments)
        assert isinstance(answer, torch.Tensor)
        torch.autograd.backward(answer.square().mean())

    return gradient
