"""Values of a configuration as messages show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def shown(value: Any, limit: int = 60) -> str:
    """A value much as YAML has it; a long one is cut."""
    if isinstance(value, str):
        text = repr(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, default=_readable)
        except ValueError:  # whole numbers of thousands of digits
            text = "a very long number"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _readable(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else repr(value)
