"""``training`` of the old form → ``trainer`` and ``validation``."""

from __future__ import annotations

from typing import Any

from upt_convert.optimizer import translate_optimizer
from upt_convert.translation import Translation
from upt_core.commands import shown

DTYPES = {"bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "fp16": "fp16", "half": "fp16", "float32": "fp32"}
EPOCHS = ("epochs", "num_epochs", "max_epochs")
METRICS = {"relative_l2": {"name": "relative_l2"}, "nrmse": {"name": "nrmse"}}


def translate_trainer(t: Translation, section: str, trainer: str, validation: str) -> None:
    """Length, batches, optimizer, precision of ``training`` or of a stage.

    Args:
        section: ``training`` or ``stages.NAME``.
        trainer: the new section for the trainer's keys.
        validation: the new section for those of validation.
    """
    t.move(t.first(section, EPOCHS), f"{trainer}.epochs")
    t.move(t.first(section, ("batch_size",)), f"{trainer}.batch_size")
    accumulate = ("accum_steps", "accumulation_steps", "gradient_accumulation_steps", "accumulate_grad_batches")
    t.move(t.first(section, accumulate), f"{trainer}.accumulate")
    t.move(t.first(section, ("ema_decay",)), f"{trainer}.ema", none_if_zero)
    clip = ("grad_clip", "grad_clip_norm", "clip_grad_norm", "clip_grad", "max_grad_norm", "gradient_clip")
    t.move(t.first(section, clip), f"{trainer}.clip_norm", none_if_zero)
    t.move(t.first(section, ("patience", "early_stopping_patience")), f"{validation}.patience", none_if_zero)
    t.move(t.first(section, ("num_workers", "workers")), f"{trainer}.workers")
    t.move(t.first(section, ("compile", "torch_compile")), f"{trainer}.compile")
    t.move(t.first(section, ("log_interval", "log_every")), f"{trainer}.log_every")
    t.move(t.first(section, ("device",)), f"{trainer}.device")
    _precision(t, section, trainer)
    translate_optimizer(t, section, trainer)


def fill_in(t: Translation) -> None:
    """What the new form needs and the old one may leave out, as the old form means it."""
    trainer = t.new.data.setdefault("trainer", {})
    if "clip_norm" not in trainer:
        trainer["clip_norm"] = None
        t.remark("trainer.clip_norm: null; the old form clips only if clipping is set")
    if "optimizer" not in trainer:
        trainer["optimizer"] = {"name": "adamw"}
        t.remark("trainer.optimizer: adamw; no optimizer is named")
    validation = t.new.data.setdefault("validation", {})
    validation["metrics"] = METRICS
    t.remark(
        "validation.metrics: relative_l2 and nrmse; best checkpoint and patience follow relative_l2 on the "
        "validation split, not the total training loss"
    )
    t.remark("encoder, approximator and decoder are all trained")


PROCESSES = ("num_gpus", "training.num_gpus", "distributed.num_gpus", "training.world_size", "distributed.world_size")


def multiply_batches(t: Translation) -> None:
    """The old form counts the samples of a batch for each GPU; here ``batch_size`` counts those of all."""
    key = next((key for key in PROCESSES if t.has(key)), None)
    if key is None:
        return
    count = t.number(key, 1)
    sections = [t.new.data.get("trainer", {}), *(s.get("trainer", {}) for s in t.new.data.get("stages", []))]
    for section in sections:
        size = section.get("batch_size")
        if isinstance(size, int) and not isinstance(size, bool):
            section["batch_size"] = round(size * count)
    t.say(
        key,
        f"trainer.batch_size: times {count:g}, because it is the number of samples over all processes; start "
        "with torchrun",
    )


def none_if_zero(value: Any) -> Any:
    """0 and false switch off in the old form; null does so here."""
    return None if value is False or value == 0 else value


def _precision(t: Translation, section: str, trainer: str) -> None:
    amp, dtype = f"{section}.amp", t.first(section, ("amp_dtype", "amp_precision"))
    if not t.has(amp):
        return
    if not t.flag(amp, False):
        t.put(f"{trainer}.precision", "fp32", amp)
        t.say(amp, f"{trainer}.precision: fp32")
        if dtype is not None:
            t.say(dtype, "not used: amp is off")
        return
    asked = t.get(dtype) if dtype is not None else "bf16"
    precision = DTYPES.get(asked, asked) if isinstance(asked, str) else asked
    t.put(f"{trainer}.precision", precision, dtype or amp)
    for old in (amp, dtype):
        if old is not None:
            t.say(old, f"{trainer}.precision: {shown(precision)}")
