"""``logging.wandb`` → the callback ``wandb``."""

from __future__ import annotations

from upt_convert.translation import Translation

SECTIONS = ("logging.wandb", "training.wandb", "wandb")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "project": ("project", "project_name"),
    "run_name": ("run_name", "name"),
    "entity": ("entity", "team"),
    "mode": ("mode",),
    "tags": ("tags",),
}


def translate_trackers(t: Translation) -> None:
    """A callback, unless it is switched off."""
    section = next((section for section in SECTIONS if t.has(section)), None)
    if section is None:
        return
    found = t.get(section)
    if not isinstance(found, dict):
        on = found is True
        t.say(section, "callbacks: wandb" if on else "no callback wandb")
        if on:
            t.put("callbacks", [{"name": "wandb"}], section)
        return
    if not t.flag(f"{section}.enabled", True):
        t.say(section, "no callback wandb: it is switched off")
        return
    t.say(f"{section}.enabled", "callbacks: wandb")
    callback: dict[str, object] = {"name": "wandb"}
    for parameter, spellings in PARAMETERS.items():
        old = t.first(section, spellings)
        if old is not None:
            callback[parameter] = t.get(old)
            t.say(old, f"{parameter} of the callback wandb")
    t.put("callbacks", [callback], section)
