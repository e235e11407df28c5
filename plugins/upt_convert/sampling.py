"""``query_sampling`` and ``query_sample_*`` → the sampler of ``inverse_encoding``."""

from __future__ import annotations

from typing import Any

from upt_convert.translation import Translation
from upt_core.commands import shown

BLOCK = "training.query_sampling"
RATIO, SCHEDULE, MODE = (
    "training.query_sample_ratio",
    "training.query_sampling_schedule",
    "training.query_sampling_mode",
)
METRIC, WINDOW = "training.importance_metric", "training.importance_window"
RAMP = {
    "training.query_sample_start_ratio": ("start_ratio", 1.0),
    "training.query_sample_end_ratio": ("end_ratio", 0.2),
    "training.query_sample_start_epoch": ("start_epoch", 10),
}
"""Old key → parameter of the sampler ``cosine``, and what the old form took where it was left out."""
EXACT: dict[str, Any] = {"multiple": 1}
"""The old form takes int(ratio · N) points, not rounded."""
LEVELS = 1000
"""The old form changes the ratio in every epoch."""
CONSTANT = ("constant", "none", "fixed")


def translate_sampling(t: Translation) -> None:
    """The sampler, made as ``sampler``; null where the old form samples none. ``give_sampler`` puts it in its place."""
    importance = _importance(t)
    schedule = t.get(SCHEDULE)
    if schedule == "cosine":
        _cosine(t, importance)
    elif t.has(RATIO) and t.number(RATIO, 1.0) != 1:
        _says_how_many(t, RATIO)
        _ratio(t, importance)
    else:
        _fixed_number(t, importance)
    if schedule != "cosine":
        for old in RAMP:
            t.say(old, "not used: there is no cosine schedule")
        if schedule in (None, *CONSTANT):
            t.say(SCHEDULE, "not needed: the ratio does not change")
        else:
            t.problem(SCHEDULE, f"expected cosine or constant; got {shown(schedule)}")
    if importance is None:
        for old in (METRIC, WINDOW):
            t.say(old, "not used: points are not drawn by importance")


def give_sampler(t: Translation) -> None:
    """The sampler goes to the term that decodes what was encoded: the old form never sampled the forward term."""
    sampler = t.new.data.pop("sampler", None)
    moved = {path: place for path, place in t.new.origins.items() if path[:1] == ("sampler",)}
    for path in moved:
        del t.new.origins[path]
    if sampler is None:
        return
    if "inverse_encoding" not in t.made("losses"):
        t.remark("sampler: none; the old form samples only for inverse_encoding, and that term is off")
        return
    t.put("losses.inverse_encoding.sampler", sampler)
    t.new.origins.update({("losses", "inverse_encoding", *path): place for path, place in moved.items()})
    t.remark("sampler: only for inverse_encoding, as in the old form; forward uses all points")


def _importance(t: Translation) -> dict[str, Any] | None:
    """The sampler that draws by importance, if that is asked for."""
    mode = t.get(MODE)
    if mode != "importance":
        if mode not in (None, "random"):
            t.problem(MODE, f"expected random or importance; got {shown(mode)}")
        t.say(MODE, "the sampler draws at random")
        return None
    sampler = {"name": "importance", "metric": t.get(METRIC, "gradient"), "window": t.get(WINDOW, 5)}
    t.say(MODE, "a sampler importance")
    t.say(METRIC, f"its metric: {shown(sampler['metric'])}")
    t.say(WINDOW, f"its window: {shown(sampler['window'])}")
    return sampler


def _cosine(t: Translation, importance: dict[str, Any] | None) -> None:
    _says_how_many(t, SCHEDULE)
    t.say(RATIO, "not used: the cosine schedule sets the ratio")
    sampler: dict[str, Any] = {"name": "cosine"}
    for old, (parameter, default) in RAMP.items():
        sampler[parameter] = t.number(old, default)
        t.say(old, f"sampler.{parameter}: {shown(sampler[parameter])}")
    t.say(SCHEDULE, "sampler.name: cosine")
    epochs = t.made("trainer.epochs")
    if isinstance(epochs, int) and sampler["start_epoch"] >= epochs:
        t.remark(f"sampler: the cosine begins after the last of {epochs} epochs, so the ratio stays at its start")
        sampler = {"name": "ratio", "ratio": sampler["start_ratio"]}
    else:
        sampler["levels"] = LEVELS
    t.put("sampler", {**sampler, "base": _base(t, importance), **EXACT}, SCHEDULE)
    _origins(t, {old: parameter for old, (parameter, _) in RAMP.items() if parameter in sampler})


def _ratio(t: Translation, importance: dict[str, Any] | None) -> None:
    ratio = t.get(RATIO)
    t.put("sampler", {"name": "ratio", "ratio": ratio, "base": _base(t, importance), **EXACT}, RATIO)
    _origins(t, {RATIO: "ratio"})
    t.say(RATIO, f"sampler: a ratio of {shown(ratio)}")


def _fixed_number(t: Translation, importance: dict[str, Any] | None) -> None:
    if not _enabled(t):
        t.put("sampler", None, BLOCK if t.has(BLOCK) else RATIO)
        for old in (BLOCK, RATIO, MODE):
            t.say(old, "sampler: null (all points)")
        for old in (METRIC, WINDOW):
            t.say(old, "not used: all points are used")
        return
    t.say(RATIO, "not used: query_sampling sets the number of points")
    num_queries = t.get(f"{BLOCK}.num_queries", 2048)
    base = _base(t, importance)
    t.put("sampler", {**base, "num_queries": num_queries}, BLOCK)
    _origins(t, {f"{BLOCK}.num_queries": "num_queries", f"{BLOCK}.strategy": "name"})
    t.say(f"{BLOCK}.enabled", f"a sampler {base['name']}")
    t.say(f"{BLOCK}.num_queries", f"sampler.num_queries: {shown(num_queries)}")


def _enabled(t: Translation) -> bool:
    return isinstance(t.get(BLOCK), dict) and t.flag(f"{BLOCK}.enabled", True)


def _says_how_many(t: Translation, old: str) -> None:
    for key in ("enabled", "num_queries"):
        t.say(f"{BLOCK}.{key}", f"not used: {old.removeprefix('training.')} sets the number of points")


def _base(t: Translation, importance: dict[str, Any] | None) -> dict[str, Any]:
    """Which points: by importance, or as the strategy says."""
    strategy = f"{BLOCK}.strategy"
    if importance is not None:
        t.say(strategy, "not used: points are drawn by importance")
        _plugin_origins(t)
        return importance
    name = t.get(strategy, "uniform")
    if not isinstance(name, str):
        t.problem(strategy, f"expected uniform or stratified; got {shown(name)}")
        name = "uniform"
    t.say(strategy, f"a sampler {name}")
    return {"name": name}


def _plugin_origins(t: Translation) -> None:
    for old, parameter in {METRIC: "metric", WINDOW: "window"}.items():
        if t.has(old):
            for path in (("sampler", parameter), ("sampler", "base", parameter)):
                t.new.origins[path] = t.old.origin(tuple(old.split(".")))


def _origins(t: Translation, parameters: dict[str, str]) -> None:
    """Where the parameters of the sampler come from."""
    for old, parameter in parameters.items():
        if t.has(old):
            t.new.origins["sampler", parameter] = t.old.origin(tuple(old.split(".")))
