"""``lambda_inv_*``, ``use_inverse_losses`` and ``inverse_loss_*`` → ``losses``."""

from __future__ import annotations

from typing import Any

from upt_convert.translation import Translation
from upt_core.commands import shown

SWITCH, EVERY = "training.use_inverse_losses", "training.inverse_loss_frequency"
WARMUP, MAXIMUM = "training.inverse_loss_warmup_epochs", "training.inverse_loss_max_weight"
FORWARD = "training.lambda_forward"
WEIGHTS = {"inverse_encoding": "training.lambda_inv_enc", "inverse_decoding": "training.lambda_inv_dec"}
USUAL_WEIGHT, USUAL_WARMUP, USUAL_MAXIMUM = 0.01, 15, 0.05
"""What the old form takes where these are left out."""


def translate_losses(t: Translation) -> None:
    """The forward term, and the inverse terms that are switched on. ``trainer.epochs`` is translated before."""
    t.put("losses.forward", {"name": "forward"})
    t.move(FORWARD, "losses.forward.weight")
    asked = t.flag(SWITCH, False)
    on = [term for term in WEIGHTS if _translate_term(t, term, asked)]
    if not on:
        for old in (EVERY, WARMUP, MAXIMUM):
            t.say(old, "not used: no inverse term has a weight")
        t.say(SWITCH, "no inverse term has a weight")
        return
    t.say(SWITCH, f"the terms {' and '.join(on)}" if asked else "a weight above 0 switches on a term in any case")
    _translate_frequency(t, on)


def _translate_term(t: Translation, term: str, asked: bool) -> bool:
    """One inverse term; whether it is on."""
    old = WEIGHTS[term]
    base = t.number(old, USUAL_WEIGHT if asked else 0.0)
    if base == 0:
        t.say(old, f"no term {term}")
        return False
    weight = _weight(t, base)
    t.put(f"losses.{term}", {"name": term}, old if t.has(old) else SWITCH)
    t.put(f"losses.{term}.weight", weight, old if t.has(old) else SWITCH)
    for key, parameter in {WARMUP: "warmup_epochs", MAXIMUM: "max_weight"}.items():
        if t.has(key) and isinstance(weight, dict):
            t.new.origins["losses", term, "weight", parameter] = t.old.origin(tuple(key.split(".")))
    if term == "inverse_decoding":
        t.put(f"losses.{term}.sampler", None)
    t.say(old, f"losses.{term}.weight: {shown(weight, 100)}")
    if not t.has(old):
        t.remark(f"losses.{term}: use_inverse_losses is true and no weight is given, so {USUAL_WEIGHT}")
    return True


def _weight(t: Translation, base: float) -> Any:
    """The curriculum; 0 where it would not leave 0 in the run."""
    warmup, maximum = t.number(WARMUP, USUAL_WARMUP), t.number(MAXIMUM, USUAL_MAXIMUM)
    for old, parameter in {WARMUP: "warmup_epochs", MAXIMUM: "max_weight"}.items():
        t.say(old, f"{parameter} of the inverse terms' weight: {shown(t.get(old))}")
    epochs = t.made("trainer.epochs")
    if isinstance(epochs, int) and warmup > 0 and warmup >= epochs - 1:
        t.remark(f"the warm-up of {warmup:g} epochs lasts the whole run of {epochs}: inverse terms have weight 0")
        return 0
    if not t.has(WARMUP):
        t.remark(f"weights of inverse terms: warmup_epochs {USUAL_WARMUP}, the old default")
    if not t.has(MAXIMUM):
        t.remark(f"weights of inverse terms: max_weight {USUAL_MAXIMUM}, the old default")
    return {"name": "curriculum", "base": base, "warmup_epochs": warmup, "max_weight": maximum}


def _translate_frequency(t: Translation, terms: list[str]) -> None:
    if t.has(EVERY):
        for term in terms:
            t.put(f"losses.{term}.every", t.get(EVERY), EVERY)
        t.say(EVERY, f"every: {shown(t.get(EVERY))} of {' and '.join(terms)}")
