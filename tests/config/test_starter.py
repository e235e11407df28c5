"""The starter configuration is a whole experiment, and says what every key means."""

from __future__ import annotations

import re
from typing import Any

from upt_core.config.document import parse
from upt_core.config.sections import as_plain, plugins_of
from upt_core.config.settings import validate
from upt_core.config.starter import CHOSEN, EXAMPLES, SCHEMA_FILE, starter
from upt_core.registry import Registry
from upt_core.registry.discovery import load


def test_it_validates_and_uses_what_is_chosen(registry: Registry) -> None:
    settings = validate(parse(starter(registry), "start.yaml"), registry)
    used = [plugin.name for plugin in plugins_of(settings)]
    chosen = [choice for choices in CHOSEN.values() for choice in choices]
    assert set(used) == {choice.plugin for choice in chosen} | {"stratified"}
    assert list(settings.losses) == ["forward", "inverse_encoding", "consistency"]
    assert settings.losses["consistency"].space == "latent"
    assert settings.trainer.epochs == EXAMPLES["epochs"]


def test_editors_find_the_schema(registry: Registry) -> None:
    assert starter(registry).startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


def test_what_is_commented_out_is_the_default(registry: Registry) -> None:
    """Uncommenting every default changes nothing, save that a term's sampler is then said."""
    text = starter(registry)
    plain = as_plain(validate(parse(text, "start.yaml"), registry))
    opened = re.sub(r"^( *)# (\w+: (?!null).*)$", _if_a_value(plain), text, flags=re.MULTILINE)
    assert opened.count("#") < text.count("#") - 30
    assert as_plain(validate(parse(opened, "opened.yaml"), registry)) == plain


def _if_a_value(plain: dict[str, Any]) -> Any:
    keys = set(_keys(plain))
    return lambda match: (
        f"{match[1]}{match[2]}" if match[2].split(":")[0] in keys and "one of" not in match[2] else match[0]
    )


def _keys(plain: Any) -> list[str]:
    if isinstance(plain, dict):
        return [key for name, value in plain.items() for key in (name, *_keys(value))]
    return [key for item in plain for key in _keys(item)] if isinstance(plain, list) else []


def test_every_line_of_text_fits(registry: Registry) -> None:
    assert max(map(len, starter(registry).splitlines())) <= 120


def test_without_any_plugin_it_is_still_text() -> None:
    text = starter(load([]))
    assert "# one of: none is installed" in text
    assert "\nmodel:\n" in text
