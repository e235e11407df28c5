"""Cached latents: the same numbers, never stale, and filling goes on after an interrupt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from upt_core import Experiment, Progress
from upt_core.data.latent_cache import LatentCache, fingerprint
from upt_core.data.loader import Batches
from upt_core.data.windows import Windows
from upt_core.run.built import Built
from upt_core.specs import LatentSpec

Tiny = Callable[..., Experiment]
CPU = torch.device("cpu")


def states_of(built: Built) -> Windows:
    return Windows(built.prepared.trajectories("train"), built.prepared.data, horizon=0)


def key_of(built: Built, **changes: object) -> str:
    arguments = {"data": {"name": "x"}, "split": "train", "precision": "fp32", **changes}
    return fingerprint(built.bundle.model.encoder, built.prepared.normalization, **arguments)  # type: ignore[arg-type]


def cache_of(built: Built, folder: Path) -> LatentCache:
    return LatentCache(folder, key_of(built), states_of(built), LatentSpec(4, 16))


def fill(cache: LatentCache, built: Built, on_progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    cache.fill(built.bundle.model.encoder, built.prepared.normalization, 7, CPU, "fp32", on_progress)


def test_losses_are_those_of_the_encoder_without_a_call_of_it(tiny: Tiny, tmp_path: Path, calls: object) -> None:
    losses = {
        "latent": {"name": "forward", "space": "latent"},
        "rollout": {"name": "rollout", "steps": 2},
        "inv_dec": ...,
    }
    built = tiny(losses=losses).build()
    cache = cache_of(built, tmp_path)
    fill(cache, built)
    train = built.train
    cached = Batches(train.windows, train.normalization, train.batch_size, train.seed, latents=cache)
    built.bundle.eval()
    direct = built.bundle(train[3], Progress())
    calls.attach(built)  # type: ignore[attr-defined]
    from_cache = built.bundle(cached[3], Progress())
    assert calls["encoder"] == 0  # type: ignore[index]
    for name, value in direct.values.items():
        torch.testing.assert_close(from_cache.values[name], value)


def test_filling_goes_on_where_it_was_interrupted(tiny: Tiny, tmp_path: Path) -> None:
    built = tiny().build()
    total = len(states_of(built))

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(cache_of(built, tmp_path), built, stop)
    again = cache_of(built, tmp_path)
    assert total // 2 < again.num_done < total
    encoded: list[int] = []
    built.bundle.model.encoder.register_forward_hook(lambda module, given, latent: encoded.append(len(latent)))
    done = again.num_done
    fill(again, built)
    assert sum(encoded) == total - done
    whole = cache_of(built, tmp_path / "whole")
    fill(whole, built)
    torch.testing.assert_close(again.rows(range(total)), whole.rows(range(total)))


def test_the_key_changes_with_everything_that_latents_depend_on(tiny: Tiny) -> None:
    built = tiny().build()
    keys = {
        key_of(built),
        key_of(built, data={"name": "y"}),
        key_of(built, split="valid"),
        key_of(built, precision="bf16"),
    }
    keys.add(key_of(tiny(data={"name": "burgers1d", "num_trajectories": 12, "points": 32, "seed": 5}).build()))
    with torch.no_grad():
        next(built.bundle.model.encoder.parameters()).add_(1e-6)
    keys.add(key_of(built))
    assert len(keys) == 6
    assert key_of(tiny().build()) in keys, "a fresh build of the same experiment has the same key"


def test_a_note_of_another_shape_is_not_used(tiny: Tiny, tmp_path: Path) -> None:
    built = tiny().build()
    fill(cache_of(built, tmp_path), built)
    other = LatentCache(tmp_path, key_of(built), states_of(built), LatentSpec(8, 16))
    assert other.num_done == 0


def test_the_key_tells_settings_apart_that_leave_weights_alike(tiny: Tiny) -> None:
    built = tiny().build()
    keys = {key_of(built, model={"encoder": {"name": "supernode", "radius": radius}}) for radius in (0.1, 0.2)}
    assert len(keys) == 2


def test_an_encoder_with_parameters_without_axes_has_a_key(tiny: Tiny) -> None:
    built = tiny().build()
    built.bundle.model.encoder.register_parameter("scale", torch.nn.Parameter(torch.tensor(1.0)))
    before = key_of(built)
    with torch.no_grad():
        built.bundle.model.encoder.scale.mul_(2)
    assert key_of(built) != before


def test_a_run_keeps_latents_of_another_radius_apart(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPT_CACHE", str(tmp_path))
    for number, radius in enumerate((0.2, 0.4)):
        encoder = {"name": "supernode", "supernodes": 8, "radius": radius, "depth": 1}
        stages = [
            {
                "name": "latent",
                "freeze": ["encoder", "decoder"],
                "cache_latents": True,
                "losses": {"inv_enc": None, "inv_dec": None, "forward": {"name": "forward", "space": "latent"}},
            }
        ]
        experiment = tiny(model={"encoder": encoder}, trainer={"epochs": 1}, stages=stages, sampler=...)
        (tmp_path / f"run{number}").mkdir()
        experiment.train(tmp_path / f"run{number}")
        assert len(list((tmp_path / "latents").glob("*.npy"))) == number + 1
