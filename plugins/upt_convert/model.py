"""``latent``, ``operator.pdet`` and ``ttc.decoder`` → ``model``."""

from __future__ import annotations

from upt_convert.translation import Translation
from upt_core.commands import shown

WIDTH = ("width", "hidden_dim", "hidden_size", "d_model")
DEPTH = ("depth", "num_layers", "layers")
HEADS = ("heads", "num_heads", "n_heads")
FREQUENCIES = ("frequencies", "fourier_frequencies")
USUAL_DEPTH = {"encoder": 2, "approximator": 4, "decoder": 2}
"""Where the old form writes none."""
ENCODERS = {"grid": "grid", "mesh": "supernode", "points": "supernode", "graph": "supernode", "supernode": "supernode"}


def translate_model(t: Translation) -> None:
    """Shape of the latent state, and the three parts."""
    t.move(t.first("latent", ("tokens", "num_tokens")), "model.latent.tokens")
    t.move(t.first("latent", ("dim", "latent_dim")), "model.latent.dim")
    _encoder(t)
    _part(t, "operator.pdet", "approximator", "transformer")
    _part(t, "ttc.decoder", "decoder", "perceiver")
    for section, follows in {
        "operator.pdet": ("input_dim", "latent_dim", "latent_tokens", "output_dim"),
        "ttc.decoder": ("latent_dim", "query_dim", "output_channels", "latent_tokens"),
    }.items():
        for key in follows:
            _follows(t, f"{section}.{key}")


def _encoder(t: Translation) -> None:
    kind = t.first("encoder", ("name", "type"))
    asked = t.get(kind) if kind is not None else "grid"
    name = ENCODERS.get(asked, asked) if isinstance(asked, str) else asked
    _part(t, "encoder", "encoder", str(name))
    if kind is not None:
        t.put("model.encoder.name", name, kind)
        t.say(kind, f"model.encoder.name: {shown(name)}")
    patch = t.first("encoder", ("patch", "patch_size")) or t.first("data", ("patch_size", "patch"))
    t.move(patch, "model.encoder.patch")


def _part(t: Translation, old: str, part: str, name: str) -> None:
    """A part of the model with the plugin that has its place here."""
    t.put(f"model.{part}", {"name": name}, old if t.has(old) else "")
    for parameter, spellings in {
        "width": WIDTH,
        "depth": DEPTH,
        "heads": HEADS,
        "mlp_ratio": ("mlp_ratio",),
        "frequencies": FREQUENCIES,
    }.items():
        if parameter != "frequencies" or part != "approximator":
            t.move(t.first(old, spellings), f"model.{part}.{parameter}")
    if t.made(f"model.{part}.depth") is None:
        t.put(f"model.{part}.depth", USUAL_DEPTH[part])
        t.remark(f"model.{part}.depth: {USUAL_DEPTH[part]}; the old file sets no depth")
    _hidden(t, old, part)


def _hidden(t: Translation, old: str, part: str) -> None:
    """The width between the two layers of a block's MLP, which is a ratio here."""
    key = t.first(old, ("mlp_hidden_dim", "mlp_dim", "ff_dim"))
    width = t.made(f"model.{part}.width") or t.made("model.latent.dim")
    if key is None or not isinstance(width, int | float) or isinstance(width, bool) or width <= 0:
        return
    ratio = t.number(key, 0.0) / width
    t.put(f"model.{part}.mlp_ratio", ratio, key)
    t.say(key, f"model.{part}.mlp_ratio: {ratio:g} (of width {width})")


def _follows(t: Translation, old: str) -> None:
    """Sizes that are known from elsewhere; one that differs from the latent state has no counterpart."""
    latent = {"latent_dim": "latent.dim", "input_dim": "latent.dim", "output_dim": "latent.dim"}
    same = {**latent, "latent_tokens": "latent.tokens"}.get(old.rpartition(".")[2])
    if same is None:
        t.say(old, "not needed: it follows from the data")
    elif t.get(same) == t.get(old):
        t.say(old, f"not needed: it follows from {same}")
