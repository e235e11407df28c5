"""How the old form is recognised. Every start of upt asks this, so nothing heavy is imported here."""

from __future__ import annotations

from upt_core.commands import Document

OLD = ("training", "latent", "operator", "ttc", "include")
"""Keys at the root that only the old form has."""
NEW = ("trainer", "model", "losses", "validation", "extends")
"""Keys at the root that only the new form has: with one of them, an old key is a mistake and is reported as such."""


def is_old(document: Document) -> bool:
    """Whether a document is in the old form."""
    return any(key in document.data for key in OLD) and not any(key in document.data for key in NEW)


def is_old_override(text: str) -> bool:
    """Whether ``key.path=value`` names a key of the old form."""
    key = text.partition("=")[0]
    return key.split(".")[0] in OLD or key in ("data.task", "data.tasks", "data.root")
