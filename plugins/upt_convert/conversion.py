"""A document in the old form → upt's own form, with a report of every key.

This package knows the built-in plugins by name: the old form has no names for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upt_convert.data import translate_data
from upt_convert.form import OLD
from upt_convert.include import with_included
from upt_convert.losses import translate_losses
from upt_convert.model import translate_model
from upt_convert.optimizer import translate_root_optimizer
from upt_convert.priors import translate_priors
from upt_convert.report import Line, Report
from upt_convert.sampling import give_sampler, translate_sampling
from upt_convert.stages import translate_stages
from upt_convert.trackers import translate_trackers
from upt_convert.training import fill_in, multiply_batches, translate_trainer
from upt_convert.translation import Translation
from upt_core import ConfigError
from upt_core.commands import Document, shown

__all__ = ["Conversion", "Line", "Report", "convert"]

HINTS = {
    "latent_cache_dir": "a stage with cache_latents: true caches latents",
    "latent_cache_dtype": "a stage with cache_latents: true caches latents",
    "lambda_spectral": "see the loss term spectral: it compares spectra in space, the old term spectra of latent "
    "channels",
    "lambda_relative": "see the loss term relative_lp",
    "lambda_rollout": "see the loss term rollout",
    "time_stride": "a parameter of the data sets that read files",
    "dt": "the time step is that of the data",
}


@dataclass(frozen=True)
class Conversion:
    """A document in upt's form, whose values have the places of the old file as origins.

    Args:
        document: in upt's form.
        report: one line for each old key.
    """

    document: Document
    report: Report


def convert(document: Document) -> Conversion:
    """A document in upt's form, and what became of each key.

    Raises:
        ConfigError: values that cannot be read, each with its place.
    """
    t = Translation(with_included(document))
    _check_sections(t)
    translate_trainer(t, "training", "trainer", "validation")
    translate_stages(t)
    translate_data(t)
    translate_model(t)
    translate_sampling(t)
    translate_losses(t)
    give_sampler(t)
    translate_priors(t)
    translate_trackers(t)
    translate_root_optimizer(t)
    multiply_batches(t)
    fill_in(t)
    t.move("seed", "seed")
    t.move(t.first("training", ("seed",)), "seed")
    t.move(t.first("checkpoint", ("dir", "directory")), "output")
    if t.problems:
        raise ConfigError(t.problems)
    return Conversion(_ordered(t.new), t.report(HINTS))


def _check_sections(t: Translation) -> None:
    for key in (*OLD, "data", "encoder", "checkpoint", "operator.pdet", "ttc.decoder", "training.query_sampling"):
        if t.has(key) and not isinstance(t.get(key, {}), dict):
            t.problem(key, f"expected a mapping of keys; got {shown(t.get(key))}")


def whole(value: Any) -> Any:
    """A value in which whole numbers written as floats are integers: the new form tells them apart."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


_ORDER: Sequence[str] = (
    *("seed", "output", "data", "model", "sampler", "losses"),
    *("trainer", "validation", "callbacks", "tasks", "stages"),
)


def _ordered(document: Document) -> Document:
    """The sections as upt init writes them."""
    data = {key: whole(document.data[key]) for key in _ORDER if key in document.data}
    return Document(data, document.origins)
