"""Fifty wrong plugins: each is a right one with one piece of its source exchanged, as a slip of the pen would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from upt_core import testing as kit
from upt_core.cli.scaffold import TEMPLATES
from upt_core.registry import Kind

ROOT = Path(__file__).parents[2]
MATHEMATICS = "upt_samplers/mathematics"


@dataclass(frozen=True)
class Mutant:
    """A wrong plugin.

    Args:
        kind: whose kit examines it.
        source: its right original: "template", "docs" (docs/writing/sampler.md), or "package/file:Class".
        old: text of the original, which is there once or more.
        new: what stands in its place.
        module: a module that the plugin imports from and that is mutated in its place; empty: the plugin's own.
    """

    kind: Kind
    source: str
    old: str
    new: str
    module: str = ""


def _samplers() -> list[Mutant]:
    uniform, stratified = "upt_samplers/uniform:Uniform", "upt_samplers/stratified:Stratified"
    strata, distinct, padding = (f"{MATHEMATICS}/{name}" for name in ("strata", "distinct", "padding"))
    return [
        Mutant("sampler", "template", "place_BQ * length", "place_BQ * (length - 1)"),
        Mutant("sampler", "template", "place_BQ * length", "place_BQ**1.1 * length"),
        Mutant("sampler", "template", "place_BQ * length", "place_BQ * points.num_points"),
        Mutant("sampler", "template", ", generator=rng", ""),
        Mutant("sampler", "template", "shape = (points.batch_size, count)", "shape = (points.batch_size, count + 1)"),
        Mutant("sampler", "template", "(place_BQ * length).long()", "(place_BQ * length).round().long()"),
        Mutant("sampler", "docs", "(everywhere_BN / p_BN)", "(p_BN / p_BN)"),
        Mutant("sampler", "docs", "(everywhere_BN / p_BN)", "(everywhere_BN / p_BN).sqrt()"),
        Mutant("sampler", "docs", "real_BN = real_BN * points.mask_BN", "pass"),
        Mutant("sampler", "docs", "uniform_BQ * total_B1", "uniform_BQ"),
        Mutant("sampler", uniform, "num_points, count, points", "num_points - 1, count, points"),
        Mutant("sampler", uniform, "points.lengths is None or", "True or points.lengths is None or"),
        Mutant("sampler", uniform, "generator=rng)[:count] for", "generator=rng).sort().values[:count] for", distinct),
        Mutant("sampler", uniform, "count / length_B1", "1.0", padding),
        Mutant("sampler", stratified, "(uniform_BQ * size).long() + turn", "(uniform_BQ * size).long()", strata),
        Mutant("sampler", stratified, ".long() + turn", ".long() + turn // 2", strata),
        Mutant("sampler", stratified, "position_BQ >= num_points", "position_BQ > num_points", strata),
        Mutant(
            "sampler", "upt_samplers/sobol:Sobol", "(net_BQ * length).long()", "(net_BQ * (length - 1)).round().long()"
        ),
    ]


def _losses() -> list[Mutant]:
    forward, back = "upt_losses/forward:Forward", "upt_losses/inverse_encoding:InverseEncoding"
    value = "return step.mean(value_BQC.mean(dim=-1))"
    total = f"total = {value.removeprefix('return ')}"
    return [
        Mutant("loss", forward, value, "return value_BQC.mean()"),
        Mutant("loss", forward, value, f"{total}\n            return total if total.item() < 1e9 else total * 0"),
        Mutant("loss", forward, value, "return step.mean(value_BQC.mean(dim=-1)).sqrt()"),
        Mutant("loss", forward, value, "return step.mean(value_BQC.mean(dim=-1).detach())"),
        Mutant("loss", forward, value, "return step.mean(value_BQC.mean(dim=-1)).double()"),
        Mutant("loss", forward, "step.target(1), self.norm", "1.01 * step.target(1), self.norm"),
        Mutant("loss", forward, "step.target(1), self.norm", "step.target(1).zero_(), self.norm"),
        Mutant("loss", back, "step.input(), self.norm", "step.input().roll(1, dims=1), self.norm"),
        Mutant("loss", "template", "+ self.scale**2).sqrt() - self.scale", ").sqrt()"),
        Mutant("loss", "template", ".sqrt() - self.scale", ".sqrt()"),
        Mutant("loss", "template", "step.mean(value", "step.queries().mean(value"),
        Mutant("loss", "template", "value_BQC.mean(dim=-1)", "value_BQC.mean(dim=-1)[step.target(1)[..., 0] > 0]"),
    ]


def _parts() -> list[Mutant]:
    mean = "mean_BE = (value_BNE * points.mask_BN.unsqueeze(-1)).sum(dim=1) / points.length_B1"
    change = "torch.cat(parts, dim=-1)"
    return [
        Mutant("encoder", "template", mean, "mean_BE = value_BNE.mean(dim=1)"),
        Mutant("encoder", "template", "mean_BE = value_BNE.mean(dim=1)", "mean_BE = value_BNE[:, 0]"),
        Mutant(
            "encoder", "template", "= value_BNE.mean(dim=1)", "= value_BNE.mean(dim=1) - value_BNE.mean(dim=(0, 1))"
        ),
        Mutant("encoder", "template", "return mean_BE", "return mean_BE.detach()"),
        Mutant("approximator", "template", "condition_BP.unsqueeze(1)", "(0 * condition_BP).unsqueeze(1)"),
        Mutant(
            "approximator", "template", "condition_BP.unsqueeze(1)", "condition_BP[:, :1].repeat(1, 2).unsqueeze(1)"
        ),
        Mutant("approximator", "template", change, f"{change}.sort(dim=1).values"),
        Mutant("approximator", "template", "return latent_BLD +", "return latent_BLD - latent_BLD.mean(dim=0) +"),
        Mutant("approximator", "template", "parts = [latent_BLD]", "parts = [latent_BLD.mul_(2)]"),
        Mutant("decoder", "template", "self.embed_point(coords_BQX)", "self.embed_point(coords_BQX.round(decimals=2))"),
        Mutant("decoder", "template", "self.embed_point(coords_BQX)", "self.embed_point(coords_BQX.cumsum(dim=1))"),
        Mutant(
            "decoder",
            "template",
            "return decoded_BQC",
            "return decoded_BQC[..., :1].expand(*decoded_BQC.shape[:-1], 2)",
        ),
    ]


def _others() -> list[Mutant]:
    plain = "self._seen.append(error_BN.mean(dim=1))"
    return [
        Mutant("metric", "template", "self._seen = []", "self._seen = getattr(self, '_seen', [])"),
        Mutant("metric", "template", plain, "self._seen.append(error_BN.mean().unsqueeze(0))"),
        Mutant("metric", "template", "batch.points.density_BN.to(error_BN)", "(batch.points.density_BN > 0)"),
        Mutant("schedule", "template", "self.value * self.factor**done", "self.value / self.factor**done"),
        Mutant("optimizer", "template", " if parameter.requires_grad]", "]"),
        Mutant("optimizer", "template", "parameters, lr=self.lr,", "parameters[1:], lr=self.lr,"),
        Mutant("dataset", "template", "for index in chosen", "for index in range(self.num_trajectories)"),
        Mutant("callback", "template", "def validation_ended", "def validation_end"),
    ]


MUTANTS = [*_samplers(), *_losses(), *_parts(), *_others()]

DECLARED: Mapping[str, dict[str, Any]] = {
    "sampler template": {"distinct": False},
    "sampler docs": {"distinct": False, "growth": 8.0},
    "sampler upt_samplers/sobol:Sobol": {"distinct": False},
    "loss": {"optimum": True, "unbiased": True},
    "encoder": {"order_matters": False},
    "approximator": {"order_matters": False},
    "schedule": {"low": 0.01, "high": 1},
    "metric": {"reference": lambda prediction, target: float((prediction - target).abs().mean())},
}
ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "sampler docs": {"centre": 0.5, "radius": 0.3},
    "dataset": {"num_trajectories": 8, "points": 16},
    "optimizer": {"lr": 0.01},
}


def examine(mutant: Mutant) -> None:
    """Runs the kit on a mutant. Raises what the kit raises."""
    cls = _class(mutant)
    keys = (f"{mutant.kind} {mutant.source}", mutant.kind)
    declared, arguments = (next((table[key] for key in keys if key in table), {}) for table in (DECLARED, ARGUMENTS))
    subject = cls if mutant.kind in ("encoder", "approximator", "decoder") else cls(**arguments)
    check: Callable[..., None] = getattr(kit, f"check_{mutant.kind}")
    check(subject, **declared)


def _class(mutant: Mutant) -> Any:
    text, name = _original(mutant)
    if not mutant.module:
        return getattr(_module(_exchanged(mutant, text)), name)
    other = _module(_exchanged(mutant, (ROOT / "plugins" / f"{mutant.module}.py").read_text(encoding="utf-8")))
    module = _module(text)
    for own, value in list(vars(module).items()):
        if getattr(value, "__module__", "") == mutant.module.replace("/", "."):
            setattr(module, own, getattr(other, own))
    return getattr(module, name)


def _original(mutant: Mutant) -> tuple[str, str]:
    """The text of the right plugin's module, and its class's name."""
    if mutant.source == "template":
        text = (TEMPLATES / f"{mutant.kind}.py.tmpl").read_text(encoding="utf-8")
        return text.replace("$Class", "Mutant").replace("$name", "mutant"), "Mutant"
    if mutant.source == "docs":
        page = (ROOT / "docs/writing/sampler.md").read_text(encoding="utf-8")
        found = re.search(r'```python title="upt_focus.py"\n(.*?)```', page, re.DOTALL)
        assert found is not None
        return found[1], "Focus"
    path, _, name = mutant.source.partition(":")
    return (ROOT / "plugins" / f"{path}.py").read_text(encoding="utf-8"), name


def _exchanged(mutant: Mutant, text: str) -> str:
    assert mutant.old in text, f"the original has no {mutant.old!r} any more: choose another slip"
    return text.replace(mutant.old, mutant.new)


def _module(text: str) -> ModuleType:
    module = ModuleType("mutant")
    exec(compile(text, "mutant", "exec"), vars(module))
    return module
