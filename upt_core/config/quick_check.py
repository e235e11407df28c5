"""What is wrong with a configuration's form, found without torch: in a fraction of the time that its import takes."""

from __future__ import annotations

from dataclasses import replace

from upt_core.config.document import Document
from upt_core.config.settings import stages_of, validate
from upt_core.registry import Registry


def check_quickly(document: Document, registry: Registry) -> None:
    """Checks keys, types, bounds and names, those of stages and tasks included, against the plugins' source text.

    What the whole check says beyond that needs the plugins themselves: what their constructors refuse, and what values
    mean together.

    Raises:
        ConfigError: with every problem and its place.
    """
    outlined = replace(registry, outlined=True)
    stages_of(validate(document, outlined), document, outlined)
