"""What ``upt check`` advises against: combinations that the benchmark of quality found bad. Nothing is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from upt_core.config.sections import ExperimentSettings
from upt_core.run.built import Built

Reached = Mapping[str, Collection[str]]
"""Loss term → the parts of the model that it trains."""


def advice(settings: ExperimentSettings, built: Built, reached: Reached) -> list[str]:
    """Remarks on how model, losses and validation of one stage fit together."""
    return [*_places(settings, built), *_of_approximator(settings, built), *_latent_rollouts(settings, built, reached)]


def _places(settings: ExperimentSettings, built: Built) -> Iterator[str]:
    """Tokens without a place, where the grid would give them one or the configuration says that they have one."""
    data, latent = built.prepared.data, settings.model.latent.spec()
    if data.grid_shape is not None and not data.steady and latent.lattice is None:
        yield (
            f"latent.tokens is {latent.tokens}, so tokens have no place in space; on regular grids, tokens with a "
            "place were many times more accurate at equal cost: write latent.tokens as a list, with model parts that "
            "use it, as in the experiment that upt init writes"
        )
    if latent.lattice is not None and built.bundle.model.encoder.pools:
        yield (
            f"latent.tokens is the list {list(latent.lattice)}, so each token should have a place in space, but the "
            f"encoder {settings.model.encoder.name} pools all tokens from the whole domain, and parts that need "
            "places get tokens in no order; use the encoder patches or lattice, or write latent.tokens as a number, "
            f"{latent.tokens}"
        )


def _of_approximator(settings: ExperimentSettings, built: Built) -> Iterator[str]:
    """What the approximator itself remarks on."""
    text = built.bundle.model.approximator.remark()
    if text:
        yield f"approximator {settings.model.approximator.name}: {text}"


def _latent_rollouts(settings: ExperimentSettings, built: Built, reached: Reached) -> Iterator[str]:
    """Rollouts through the latent space that no term trains."""
    validation = settings.validation
    if validation.rollout == 1 or validation.space != "latent" or built.bundle.horizon > 1:
        return
    for parts in reached.values():
        if "approximator" in parts and "decoder" not in parts:
            return  # it compares latents
    yield (
        f"validation rolls out {validation.rollout} time steps in the latent space, but every loss term predicts one "
        "step and compares decoded fields, so latents drift: add a term that compares latents (forward with space: "
        "latent) or predicts more steps (rollout), or validate with space: physical"
    )
