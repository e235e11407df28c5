"""A configuration → a validated experiment, or every problem that it has."""

from __future__ import annotations

from pydantic import ValidationError

from upt_core.config.document import Document
from upt_core.config.plain import as_plain, plugins_of
from upt_core.config.problems import problems_of
from upt_core.config.rules import broken_rules
from upt_core.config.sections import ExperimentSettings
from upt_core.errors import ConfigError
from upt_core.registry import Registry

__all__ = ["ExperimentSettings", "as_plain", "plugins_of", "validate"]


def validate(document: Document, registry: Registry) -> ExperimentSettings:
    """The experiment of a document.

    With an outlined registry keys, types, bounds and names are checked, which needs no torch; what constructors refuse
    and what values mean together are left out, and nothing can be built.

    Raises:
        ConfigError: with every problem that was found, each with its place.
    """
    try:
        settings = ExperimentSettings.model_validate(document.data, context={"registry": registry})
    except ValidationError as error:
        raise ConfigError(problems_of(error, document, registry)) from error
    problems = [] if registry.outlined else broken_rules(settings, document)
    if problems:
        raise ConfigError(problems)
    return settings
