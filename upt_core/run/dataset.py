"""A data set from a section ``data`` and overrides, without an experiment around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any

from pydantic import ValidationError

from upt_core.config.document import Document
from upt_core.config.merge import apply_overrides
from upt_core.config.problems import problems_of
from upt_core.config.schema import Plugin, Section
from upt_core.errors import ConfigError, DataError, UserError
from upt_core.kinds import Dataset
from upt_core.registry import Registry
from upt_core.registry.discovery import installed


class _DataSettings(Section):
    data: Annotated[Any, Plugin("dataset")]


def section_with(section: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A section ``data`` with overrides.

    Args:
        section: the section.
        overrides: each ``data.KEY=VALUE``.

    Raises:
        UserError: an override is of something else than the data.
        ConfigError: an override is wrong.
    """
    return _overridden(section, overrides).data["data"]  # type: ignore[no-any-return]


def dataset_of_section(
    section: Mapping[str, Any], overrides: Sequence[str] = (), registry: Registry | None = None
) -> Dataset:
    """The data set that a section ``data`` with overrides describes.

    Args:
        section: the section.
        overrides: each ``data.KEY=VALUE``.
        registry: where its plugin is; by default what is installed.

    Raises:
        UserError: an override is of something else than the data.
        ConfigError: an override is wrong, or not of the data set.
        DataError: it cannot read the files so.
    """
    registry = registry or installed()
    document = _overridden(section, overrides)
    try:
        settings = _DataSettings.model_validate(document.data, context={"registry": registry})
    except ValidationError as error:
        raise ConfigError(problems_of(error, document, registry)) from error
    try:
        dataset: Dataset = settings.data.build()
    except ValueError as error:
        raise DataError(str(error)) from error
    return dataset


def _overridden(section: Mapping[str, Any], overrides: Sequence[str]) -> Document:
    foreign = [text for text in overrides if not text.startswith("data.")]
    if foreign:
        raise UserError(f"{foreign[0]}: only settings of the data set can be set here, as data.KEY=VALUE")
    document = Document({"data": deepcopy(dict(section))})
    problems = apply_overrides(document.data, document.origins, overrides)
    if problems:
        raise ConfigError(problems)
    return document
