"""Errors of a person as data, for editors and other tools."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from upt_core.cli.group import USER_ERROR
from upt_core.errors import ConfigError, Problem, UserError

_PLACE = re.compile(r"(.+?)(?::(\d+):(\d+))?")


@contextmanager
def as_json(wanted: bool) -> Iterator[None]:
    """Where it is wanted, an error inside becomes ``{"problems": […]}`` on stdout, and exit code 2."""
    try:
        yield
    except UserError as error:
        if not wanted:
            raise
        click.echo(json.dumps({"problems": problems(error)}, indent=2, ensure_ascii=False))
        sys.exit(USER_ERROR)


def problems(error: UserError) -> list[dict[str, Any]]:
    """Every problem of an error: path, message, origin, hint, owner."""
    found = error.problems if isinstance(error, ConfigError) else [Problem((), str(error))]
    return [
        {
            "path": list(problem.path),
            "message": problem.message,
            "origin": origin(problem.origin),
            "hint": problem.hint,
            "owner": problem.owner,
        }
        for problem in found
    ]


def origin(text: str) -> dict[str, Any] | None:
    """``file:line:column`` in its parts; line and column are null where the value is not from a file's place."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    file, line, column = match.groups()
    return {"file": file, "line": int(line) if line else None, "column": int(column) if column else None}
