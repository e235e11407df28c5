"""Losses over made-up fields at any points: steps whose size is free, for what they cost."""

from __future__ import annotations

from typing import Any

import torch

from upt_bench.clock import Action
from upt_bench.setting import Setting
from upt_core import Batch, DataSpec, FieldSpec, LatentSpec, Points, Progress, Upt
from upt_core.commands import FixedValue, LossBundle, WeightedTerm

ROWS, CHANNELS = 2, 3


def grid(edge: int, device: torch.device) -> Points:
    """A square grid of the unit box."""
    axis = torch.arange(edge, device=device) / edge
    coords_NX = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).flatten(0, 1)
    return Points(coords_NX[None], (edge, edge))


def bundle_of(
    setting: Setting, points: Points, encoder: str, count: int, tokens: int = 64, **keywords: Any
) -> LossBundle:
    """``forward`` and ``inverse_encoding`` at stratified query points; width 96, 16 of a quick run.

    Args:
        setting: its device.
        points: of a sample.
        encoder: its name; ``keywords`` are its own.
        count: Q.
        tokens: L.
    """
    field = (FieldSpec("u", CHANNELS),)
    data = DataSpec(field, field, (1.0, 1.0), (False, False), points.grid_shape)
    latent = LatentSpec(tokens=tokens, dim=16 if setting.quick else 96)
    load = setting.registry.load
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Upt(
            load("encoder", encoder)(data, latent, **keywords),
            load("approximator", "transformer")(data, latent, depth=3),
            load("decoder", "perceiver")(data, latent, depth=2),
        )
    sampler = setting.sampler("stratified", num_queries=count)
    terms = [
        WeightedTerm(name, load("loss", name)(), FixedValue(1.0), sampler=sampler)
        for name in ("forward", "inverse_encoding")
    ]
    return LossBundle(model, terms, data).to(setting.device)


def batch_of(setting: Setting, bundle: LossBundle, points: Points) -> Batch:
    """``ROWS`` samples at the same points, with what the bundle needs of these."""
    needs = (*bundle.model.encoder.needs, *(need for sampler in bundle.samplers.values() for need in sampler.needs))
    together = Points.stack([points] * ROWS, needs, torch.arange(ROWS, device=setting.device))
    state_BNC = torch.rand(ROWS, points.num_points, CHANNELS, generator=setting.rng(), device=setting.device)
    return Batch(state_BNC, state_BNC.roll(1, 1).unsqueeze(1), together)


def gradient_of(bundle: LossBundle, batch: Batch) -> Action:
    """Draws, forward and backward."""
    bundle.train()

    def gradient() -> None:
        total = bundle(batch, Progress()).total
        assert total is not None
        bundle.zero_grad(set_to_none=True)
        torch.autograd.backward(total)

    return gradient


def step_of(setting: Setting, bundle: LossBundle, points: Points) -> Action:
    """Draws, forward, backward and an optimizer's step."""
    gradient = gradient_of(bundle, batch_of(setting, bundle, points))
    optimizer = torch.optim.AdamW(bundle.parameters(), 1e-4)

    def step() -> None:
        gradient()
        optimizer.step()

    return step
