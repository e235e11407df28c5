"""Imports a library that reads one format; it is an extra, since few need it."""

from __future__ import annotations

import importlib
from typing import Any

from upt_core import DataError


def library(name: str, extra: str, what: str) -> Any:
    """The module.

    Args:
        name: of the module.
        extra: of upt that brings it.
        what: what it is needed for, for the message.

    Raises:
        DataError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(
            f"{what} needs the library {name.partition('.')[0]} ({error}); install it with pip install "
            f"'upt-core[{extra}]'"
        ) from error
