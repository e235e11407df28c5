"""``training.physics_priors`` → loss terms: each weight above 0 is a term of the same name."""

from __future__ import annotations

from upt_convert.translation import Translation

SECTION = "training.physics_priors"
TERMS = ("boundary", "conservation", "positivity", "divergence", "latent_norm", "latent_diversity")


def translate_priors(t: Translation) -> None:
    """The terms, unless the section is switched off."""
    if not isinstance(t.get(SECTION, {}), dict):
        t.problem(SECTION, "expected a mapping of keys")
        return
    enabled = t.flag(f"{SECTION}.enabled", True)
    t.say(f"{SECTION}.enabled", "the terms below" if enabled else "no such term")
    for term in TERMS:
        old = f"{SECTION}.lambda_{term}"
        if not t.has(old):
            continue
        weight = t.number(old, 0.0)
        if not enabled or weight == 0:
            t.say(old, f"no term {term}")
            continue
        t.put(f"losses.{term}", {"name": term}, old)
        t.put(f"losses.{term}.weight", weight, old)
        t.say(old, f"losses.{term}.weight: {weight:g}")
