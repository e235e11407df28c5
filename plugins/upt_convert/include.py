"""``include`` of the old form: files that stand below this one."""

from __future__ import annotations

from pathlib import Path

from upt_core import ConfigError
from upt_core.commands import Document, Problem, merge, read, shown

INCLUDE = "include"
MAX_DEPTH = 20
"""How many files may include each other in a row; more is a circle."""


def with_included(document: Document, depth: int = 0) -> Document:
    """A document on top of the files that it includes, each relative to the file that names it.

    Raises:
        ConfigError: a name is not text, a file cannot be read, or files include each other in a circle.
    """
    if INCLUDE not in document.data:
        return document
    value = document.data[INCLUDE]
    names = value if isinstance(value, list) else [value]
    place = document.origin((INCLUDE,))
    if depth == MAX_DEPTH:
        raise ConfigError([Problem((INCLUDE,), f"more than {MAX_DEPTH} files include each other in a row", place)])
    below = Document({}, {})
    for name in names:
        if not isinstance(name, str) or not name:
            raise ConfigError([Problem((INCLUDE,), f"expected the path of a file; got {shown(name)}", place)])
        found = with_included(read(_folder(place) / name), depth + 1)
        below = Document(*merge(below.data, below.origins, found.data, found.origins))
    own = {key: item for key, item in document.data.items() if key != INCLUDE}
    origins = {path: origin for path, origin in document.origins.items() if path[:1] != (INCLUDE,)}
    return Document(*merge(below.data, below.origins, own, origins))


def _folder(place: str) -> Path:
    """The folder of the file in "file:line:column"."""
    return Path(place.rsplit(":", 2)[0]).expanduser().parent
