"""The decoder on the roofline of its device: how near forward and backward are to what could be reached.

Source: S. Williams, A. Waterman, D. Patterson, Roofline (2009): at F operations on M bytes, no more than
min(peak, F / M · bandwidth) operations a second can be reached. Peak and bandwidth are measured here, by a large matrix
product and a copy. M is the least that must move: weights, inputs and answers once, and what forward keeps for
backward, which is written and read again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from upt_bench.clock import Action, times
from upt_bench.results import Figure, Results
from upt_bench.saved import saved_bytes
from upt_bench.setting import Setting
from upt_core import DataSpec, Decoder, FieldSpec, LatentSpec

DECODERS = {"perceiver": {"depth": 3, "heads": 4}, "basis": {"functions": 5}}
BOTH, FORWARD, PRODUCT, COPY = "forward and backward", "forward", "matrix product", "copy"


@dataclass(frozen=True)
class Work:
    """What a pass has to do.

    Args:
        flops: multiplications and additions of matrix products.
        moved: bytes that must move.
    """

    flops: float
    moved: float

    def attainable(self, peak: float, bandwidth: float) -> float:
        """Operations a second that the device allows, of ``peak`` operations and ``bandwidth`` bytes a second."""
        return min(peak, self.flops / self.moved * bandwidth)


def measure(setting: Setting, results: Results) -> None:
    """Each decoder beside the device's own limits, in turn."""
    results.curves["roofline"] = []
    for name in DECODERS:
        setting.say(f"roofline: {name}")
        _one(setting, results, name)


def _one(setting: Setting, results: Results, name: str) -> None:
    passes, work = _decoder(setting, name)
    limits, flops, moved = _limits(setting)
    found = times({**passes, **limits}, setting.device, 9, 0.3 if setting.quick else 30.0)
    peak, bandwidth = flops / found.median(PRODUCT), moved / found.median(COPY)
    for what, done in work.items():
        reached, attainable = done.flops / found.median(what), done.attainable(peak, bandwidth)
        results.curves["roofline"].append(
            {"decoder": name, "pass": what, "flops_per_byte": done.flops / done.moved, "gflops": reached / 1e9}
            | {"attainable_gflops": attainable / 1e9, "peak_gflops": peak / 1e9, "gigabytes": bandwidth / 1e9}
        )
        bound = "operations" if attainable == peak else "bytes"
        results.figures.append(
            Figure(
                f"roofline_{name}_{what.replace(' ', '_')}",
                f"decoder {name}, {what}: operations a second, of what the roofline allows",
                100 * reached / attainable,
                unit="%",
                detail=f"{reached / 1e9:.3g} of {attainable / 1e9:.3g} GFLOP/s, bound by {bound}; "
                f"{done.flops / done.moved:.3g} operations a byte",
            )
        )


def _decoder(setting: Setting, name: str) -> tuple[dict[str, Action], dict[str, Work]]:
    """Both passes of a decoder at random query points, and what they have to do."""
    rows, count, side, width = (2, 64, 4, 16) if setting.quick else (10, 4096, 16, 128)
    field = (FieldSpec("u", 3),)
    data, latent = (
        DataSpec(field, field, (1.0, 1.0), (True, True), (64, 64)),
        LatentSpec.on_lattice((side, side), width),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder: Decoder = setting.registry.load("decoder", name)(data, latent, **DECODERS[name]).to(setting.device)
    rng, device = setting.rng(), setting.device
    latent_BLD = torch.rand(rows, latent.tokens, width, generator=rng, device=device, requires_grad=True)
    coords_BQX = torch.rand(rows, count, 2, generator=rng, device=device)

    def forward() -> Tensor:
        answer: Tensor = decoder(latent_BLD, coords_BQX)
        return answer

    def both() -> None:
        torch.autograd.backward(forward().square().mean())

    kept = saved_bytes(forward, [*decoder.parameters(), latent_BLD, coords_BQX])
    once = sum(
        value.numel() * value.element_size() for value in (*decoder.parameters(), latent_BLD, coords_BQX, forward())
    )
    work = {FORWARD: Work(_flops(forward), once), BOTH: Work(_flops(both), 3 * once + 2 * kept)}
    return {FORWARD: torch.no_grad()(forward), BOTH: both}, work


def _flops(action: Action) -> float:
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counted,
    ):  # the fused kernel of CPUs counts as 0
        action()
    return float(counted.get_total_flops())


def _limits(setting: Setting) -> tuple[dict[str, Action], float, float]:
    """A product that computes and a copy that moves; operations of the one, bytes of the other."""
    side = 256 if setting.quick else 2048
    a, b = (torch.rand(side, side, device=setting.device) for _ in range(2))
    source = torch.rand(16 * side * side, device=setting.device)
    target = torch.empty_like(source)
    actions: dict[str, Action] = {PRODUCT: lambda: a @ b, COPY: lambda: target.copy_(source)}
    return actions, 2.0 * side**3, 2.0 * source.numel() * source.element_size()
