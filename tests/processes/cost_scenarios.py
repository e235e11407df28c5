"""What each process holds, sends and writes, in bytes, for the formulas of docs/scale.md. See ``scenarios``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from scenarios import ADAMW, BASE, FSDP, Sent, trainer_of, with_trainer
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from upt_core.operator import file
from upt_core.processes import Processes
from upt_core.run.built import Built
from upt_core.shards import local
from upt_core.training.means import Means
from upt_core.training.trainer import Trainer
from upt_optimizers.muon import Muon
from upt_samplers.mathematics.ranks import Visits, visits_of_all

ROWS, QUERIES = 3, 8


def holdings(processes: Processes, folder: Path) -> dict[str, Any]:
    """Strategy and optimizer → bytes by what they are for; and what a sampler's exchange sends."""
    found: dict[str, Any] = {}
    for strategy in ("ddp", "fsdp"):
        for optimizer in ("adamw", "muon", "soap"):
            own = folder / f"holdings{processes.size}-{strategy}-{optimizer}"
            settings = {"optimizer": {"name": optimizer}, "strategy": strategy, "epochs": 1, "accumulate": 2}
            trainer, built = trainer_of(with_trainer({}, **settings), own, processes)
            assert isinstance(built, Built)
            found[f"{strategy} {optimizer}"] = {**_held(trainer, built, strategy), **_written(trainer, own, strategy)}
    found["half"] = _sent_in_half(processes, folder)
    found["visits"] = _visits(processes)
    return found


def _held(trainer: Trainer, built: Built, strategy: str) -> dict[str, int]:
    model, stepping = built.bundle.model, trainer._stepping
    suited = Muon().split(model)[0] if strategy == "ddp" else {}
    found = {
        "all": 4 * sum(parameter.numel() for parameter in model.parameters()),
        "hidden": 4 * sum(parameter.numel() for parameter in suited.values()),
        "parameters": _bytes(model.parameters()),
    }
    stepping.together()
    stepping.update([built.train[0], built.train[1]], Means())
    rows = sum(built.train.rows(number) for number in (2, 3))
    for number in (2, 3):
        stepping._backward(built.train[number], trainer.progress(), 1 / rows, number == 3)
        if number == 2:
            found["within a window"] = _gradients(model, strategy)
    found["gradients"] = _bytes(parameter.grad for parameter in model.parameters() if parameter.grad is not None)
    if strategy == "ddp":
        averaging = stepping._parallel._averaging
        assert averaging is not None
        buckets = averaging.reducer._get_zeros_like_grad_buckets()
        found["buckets"] = sum(bucket.buffer().nbytes for bucket in buckets)
    stepping.apart()
    trainer.optimization.discard()
    states = [state for optimizer in trainer.optimization.optimizers for state in optimizer.state.values()]
    found["optimizer"] = _bytes(v for state in states for name, v in state.items() if name != "step" and v is not None)
    assert trainer.ema is not None
    found["average"] = _bytes(trainer.ema.average.values())
    with trainer.gathered():
        found["validating"] = _bytes(model.parameters())
    return found


def _gradients(model: torch.nn.Module, strategy: str) -> int:
    """Bytes of the gradients that wait for the last batch of a window; those of FSDP are whole until then."""
    if strategy == "ddp":
        return _bytes(parameter.grad for parameter in model.parameters() if parameter.grad is not None)
    groups = [
        module._get_fsdp_state()._fsdp_param_group for module in model.modules() if isinstance(module, FSDPModule)
    ]
    waiting = [one._unsharded_param.grad for group in groups if group is not None for one in group.fsdp_params]
    return _bytes(value for value in waiting if value is not None)


def _written(trainer: Trainer, folder: Path, strategy: str) -> dict[str, int]:
    """Bytes of the tensors of all processes in a checkpoint, and of the best weights."""
    trainer._keeping.keep_best()
    trainer._keeping.save(lambda path: None)
    if strategy == "fsdp":
        trainer._keeping._save_own_part()
    trainer.processes.wait()
    checkpoints = folder / "checkpoints"
    best = file.read(checkpoints / "best.pt")
    found = {"best": _of_state({"model": best["model"], "ema": best["ema"]})}
    if strategy == "ddp":
        last = file.read(checkpoints / "last.pt")
        found["last"] = _of_state({key: last[key] for key in ("model", "ema", "optimizers")})
        return found
    [part] = checkpoints.glob(f"alone-*/part-{trainer.processes.rank}-of-*.pt")
    found["last"] = _bytes(file.read(part)["tensors"].values())
    return found


def _of_state(value: Any) -> int:
    """Bytes of the tensors in a state; counts of steps are none."""
    if isinstance(value, Tensor):
        return value.nbytes if value.dim() else 0
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(_of_state(part) for part in parts)


def _bytes(values: Iterable[Any]) -> int:
    return sum(local(value).nbytes for value in values if isinstance(value, Tensor))


def _sent_in_half(processes: Processes, folder: Path) -> dict[str, int]:
    """What FSDP sends for a batch in bf16."""
    changes = {"losses": {"forward": {"name": "forward"}}, "trainer": {**BASE["trainer"], **ADAMW, "accumulate": 1}}
    trainer, built = trainer_of(with_trainer(changes, **FSDP, ema=None, precision="bf16"), folder / "half", processes)
    assert isinstance(built, Built)
    trainer._stepping.together()
    trainer._stepping.update([built.train[0]], Means())
    with Sent() as sent:
        trainer._stepping.update([built.train[1]], Means())
    trainer._stepping.apart()
    parameters = list(built.bundle.model.parameters())
    padded = sum(-(-p.shape[0] // processes.size) * processes.size * p[:1].numel() for p in parameters)
    return {**sent.bytes, "padded": padded}


def _visits(processes: Processes) -> dict[str, int]:
    """What the exchange of visited points sends, and how many points all processes together visited."""
    own = Visits(
        None,
        torch.zeros(ROWS, QUERIES, dtype=torch.int64),
        torch.zeros(ROWS, QUERIES),
        torch.ones(ROWS, QUERIES, dtype=torch.bool),
        4,
    )
    with Sent() as sent:
        all_of_them = visits_of_all(own)
    return {"bytes": sent.bytes["allgather_"], "points": all_of_them.block_BQ.numel()}
