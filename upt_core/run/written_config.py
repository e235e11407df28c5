"""The configuration in a run folder, read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from upt_core.config.yaml_text import parse_yaml
from upt_core.errors import UserError

CONFIG = "config.yaml"


def config_of(folder: Path) -> dict[str, Any]:
    """The configuration of a run, as it is written there.

    Raises:
        UserError: the file is empty, damaged, or holds something else.
    """
    path = folder / CONFIG
    config, _ = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(config, dict):
        found = "is empty" if config is None else "holds no configuration"
        raise UserError(
            f"{path}: {found}, so the run cannot be read; restore the file from a copy, or remove the folder and "
            "train again"
        )
    return config
