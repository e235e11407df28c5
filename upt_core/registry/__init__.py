"""Names → classes: what is installed, and which distribution brought it."""

from __future__ import annotations

from upt_core.registry.names import (
    KINDS,
    ROLES,
    BrokenPlugin,
    Distribution,
    Entry,
    Extension,
    Kind,
    Registry,
    Role,
    class_name,
    kind_class,
    kind_of_class,
    with_article,
)

__all__ = [
    "KINDS",
    "ROLES",
    "BrokenPlugin",
    "Distribution",
    "Entry",
    "Extension",
    "Kind",
    "Registry",
    "Role",
    "class_name",
    "kind_class",
    "kind_of_class",
    "with_article",
]
