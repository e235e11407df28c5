"""Configurations in the form of the system that upt replaces → upt's own form, with a report of every key.

The one place of the kernel that knows plugins by name, beside the starter: the old form has no names for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upt_core.config.convert.data import translate_data
from upt_core.config.convert.losses import translate_losses
from upt_core.config.convert.model import translate_model
from upt_core.config.convert.report import Line, Report
from upt_core.config.convert.sampling import translate_sampling
from upt_core.config.convert.stages import translate_stages
from upt_core.config.convert.training import fill_in, translate_trainer
from upt_core.config.convert.translation import Translation
from upt_core.config.document import Document, read
from upt_core.config.overrides import apply_overrides
from upt_core.config.shown import shown
from upt_core.errors import ConfigError

__all__ = ["Converted", "Line", "Report", "convert", "is_old", "is_old_override", "read_either"]

OLD = ("training", "latent", "operator", "ttc")
"""Keys at the root that only the old form has."""
NEW = ("trainer", "model", "losses", "validation", "extends")
"""Keys at the root that only the new form has: with one of them, an old key is a mistake and is reported as such."""
HINTS = {
    "latent_cache_dir": "a stage with cache_latents: true keeps latents",
    "latent_cache_dtype": "a stage with cache_latents: true keeps latents",
    "lambda_spectral": "see the loss term spectral: it looks at space, the old one at latent channels",
    "lambda_relative": "see the loss term relative_lp",
    "lambda_rollout": "see the loss term rollout",
    "time_stride": "a parameter of the data sets that read files",
    "dt": "the time step is that of the data",
    "wandb": "see callbacks: upt plugins callback",
}


@dataclass(frozen=True)
class Converted:
    """A document in the new form, whose values have the places of the old file as origins, and what became of each key.

    Args:
        document: in the new form.
        report: one line for each old key.
    """

    document: Document
    report: Report


def is_old(document: Document) -> bool:
    """Whether a document is in the old form."""
    return any(key in document.data for key in OLD) and not any(key in document.data for key in NEW)


def is_old_override(text: str) -> bool:
    """Whether ``key.path=value`` names a key of the old form."""
    key = text.partition("=")[0]
    return key.split(".")[0] in OLD or key in ("data.task", "data.tasks", "data.root")


def read_either(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Document, Report | None]:
    """A file in either form as a document in the new one, and for an old file what became of its keys.

    Args:
        overrides: ``key.path=value``, of either form.

    Raises:
        ConfigError: the file cannot be read, or cannot be converted.
    """
    if not is_old(read(path)):
        return read(path, overrides), None
    converted = convert(read(path, [text for text in overrides if is_old_override(text)]))
    document = converted.document
    problems = apply_overrides(document.data, document.origins, [o for o in overrides if not is_old_override(o)])
    if problems:
        raise ConfigError(problems)
    return document, converted.report


def convert(document: Document) -> Converted:
    """A document in the new form.

    Raises:
        ConfigError: values that cannot be read, each with its place.
    """
    t = Translation(document)
    _check_sections(t)
    translate_trainer(t, "training", "trainer", "validation")
    translate_stages(t)
    translate_data(t)
    translate_model(t)
    translate_sampling(t)
    translate_losses(t)
    fill_in(t)
    t.move("seed", "seed")
    t.move(t.first("training", ("seed",)), "seed")
    t.move(t.first("checkpoint", ("dir", "directory")), "output")
    if t.problems:
        raise ConfigError(t.problems)
    return Converted(_ordered(t.new), t.report(HINTS))


def _check_sections(t: Translation) -> None:
    for key in (*OLD, "data", "encoder", "checkpoint", "operator.pdet", "ttc.decoder", "training.query_sampling"):
        if t.has(key) and not isinstance(t.get(key, {}), dict):
            t.problem(key, f"expected a mapping of keys; got {shown(t.get(key))}")


_ORDER: Sequence[str] = (
    *("seed", "output", "data", "model", "sampler", "losses"),
    *("trainer", "validation", "tasks", "stages"),
)


def _ordered(document: Document) -> Document:
    """The sections as upt init writes them."""
    data = {key: document.data[key] for key in _ORDER if key in document.data}
    return Document(data, document.origins)
