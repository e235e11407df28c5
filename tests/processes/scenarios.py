"""What each of several processes does in a test, and what it tells of it. Also done by one process, to compare."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from upt_core import Batch, Experiment, LossTerm, Step, UserError, hookimpl
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.processes import Processes
from upt_core.run.built import Built, BuiltTasks
from upt_core.shards import cut_like, local, whole_state
from upt_core.training import checkpoint
from upt_core.training.ema import Ema
from upt_core.training.listeners import Listeners
from upt_core.training.means import Means
from upt_core.training.probe import TrainingProbe
from upt_core.training.trainer import Trainer
from upt_data.files import trajectories as reading

BASE: dict[str, Any] = {
    "data": {"name": "burgers1d", "num_trajectories": 12, "points": 32, "num_times": 6},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 8, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "losses": {
        "forward": {"name": "forward"},
        "inv_enc": {
            "name": "inverse_encoding",
            "weight": {"name": "linear", "start": 0.0, "end": 0.5, "end_epoch": 2},
            "every": 2,
        },
        "inv_dec": {"name": "inverse_decoding", "weight": 0.1, "every": 3},
    },
    "trainer": {
        "epochs": 3,
        "batch_size": 7,
        "accumulate": 2,
        "clip_norm": 0.5,
        "ema": 0.9,
        "optimizer": {"name": "sgd", "lr": 0.1},
        "device": "cpu",
        "log_every": 2,
        "sampling_share_every": 0,
    },
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
}
ADAPTIVE: dict[str, Any] = {
    "sampler": {"name": "importance", "num_queries": 8, "start_epoch": 0, "window": 2},
    "losses": {
        "forward": {"name": "forward"},
        "inv_enc": {
            "name": "inverse_encoding",
            "weight": 0.5,
            "every": 2,
            "sampler": {"name": "stratified", "num_queries": 8},
        },
    },
    "trainer": {**BASE["trainer"], "accumulate": 1, "optimizer": {"name": "adamw", "lr": 0.001}},
}
TASKS: dict[str, Any] = {
    "data": None,
    "tasks": {
        "line": {"data": BASE["data"]},
        "plane": {
            "data": {"name": "burgers2d", "num_trajectories": 6, "points": 8, "num_times": 4},
            "model": {"encoder": {"patch": 4}},
            "losses": {"inv_dec": None},
        },
    },
}


RARE: dict[str, Any] = {
    "losses": {"forward": {"name": "forward", "every": 4}},
    "trainer": {**BASE["trainer"], "accumulate": 3},
}


class Tells:
    """Keeps what listeners are told."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.epochs: list[dict[str, float]] = []

    @hookimpl
    def step_ended(self, scalars: Mapping[str, float]) -> None:
        self.steps.append(dict(scalars))

    @hookimpl
    def epoch_ended(self, scalars: Mapping[str, float]) -> None:
        self.epochs.append(dict(scalars))


AS_ONE = {"dense": {}, "tasks": TASKS, "rare": RARE}


def train(changes: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A run by ``Experiment.train``: its results and what the listeners of this process were told."""
    tells = Tells()
    run = Experiment.from_dict({**BASE, **changes, "output": str(folder)}).train(listeners=[tells])
    return {"results": run.results, "steps": tells.steps, "epochs": tells.epochs}


def trainer_of(changes: dict[str, Any], folder: Path, processes: Processes) -> tuple[Trainer, Built | BuiltTasks]:
    """A trainer of a model with dropout, which asks the global random state."""
    experiment = Experiment.from_dict({**BASE, **changes})
    built = experiment.build_all()
    torch.manual_seed(processes.rank)
    for part in built.parts.values():
        part.bundle.model.approximator.register_forward_hook(_dropout)
    return experiment.trainer(built, folder, Listeners()), built


def _dropout(module: nn.Module, arguments: Any, latent_BLD: Tensor) -> Tensor:
    return nn.functional.dropout(latent_BLD, 0.1, module.training)


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Everything that goes on, with this process's own random state; without times."""
    state = whole_state(trainer.state_dict())
    return {
        **state,
        "means": [{**means, "seconds": 0.0, "waited": 0.0} for means in state["means"]],
        "seconds": 0.0,
        "extra": None,
    }


def interrupted_after(trainer: Trainer, updates: int) -> None:
    """This process gets a signal after so many updates, and another at once."""
    update = trainer.update

    def then_signal(window: Sequence[Batch], means: Means) -> None:
        update(window, means)
        if trainer.state.updates == updates:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)

    trainer.update = then_signal  # type: ignore[method-assign]


def whole_and_resumed(changes: dict[str, Any], folder: Path, processes: Processes) -> dict[str, Any]:
    """A run in one go, and one that a signal to the last process interrupts, which is then resumed."""
    whole, _ = trainer_of(changes, folder / "whole", processes)
    whole.train()
    first, _ = trainer_of(changes, folder / "halves", processes)
    if processes.rank == processes.size - 1:
        interrupted_after(first, 9)
    stopped = raised_by(first.train)
    second, _ = trainer_of(changes, folder / "halves", processes)
    torch.manual_seed(1234)
    divided = changes["trainer"].get("strategy") == "fsdp"
    last = folder / "halves" / "checkpoints" / ("last" if divided else "last.pt")
    second.load_state_dict(checkpoint.load(last), last)
    second.train()
    found = {"whole": state_of(whole), "resumed": state_of(second), "stopped": stopped, "updates": first.state.updates}
    processes.wait()
    return found


def raised_by(action: Callable[[], object]) -> tuple[str, str]:
    """Type and text of an exception."""
    try:
        action()
    except (Exception, KeyboardInterrupt) as error:
        return type(error).__name__, str(error)
    return "", ""


class NanInSecondProcess(LossTerm):
    """Becomes NaN in process 1, at step 2."""

    def __call__(self, step: Step) -> Tensor:
        value = step.mean((step.predicted() - step.target()).square().mean(-1))
        return value * (float("nan") if (step.progress.rank, step.progress.step) == (1, 2) else 1.0)


def with_a_buffer(folder: Path, processes: Processes) -> dict[str, Any]:
    """Muon in bf16, and a saved buffer that each process changes in another way."""
    settings = {**BASE["trainer"], "accumulate": 1, "precision": "bf16", "optimizer": {"name": "muon"}, "epochs": 1}
    trainer, built = trainer_of({"trainer": settings}, folder / "buffer", processes)
    assert isinstance(built, Built)
    approximator = built.bundle.model.approximator
    approximator.register_buffer("calls", torch.zeros(1))
    approximator.register_forward_hook(lambda module, *_: _count(module, processes.rank + 1))
    if trainer.ema is not None:
        trainer.ema = Ema(built.bundle.model, 0.9)
    trainer.train()
    return state_of(trainer)


def _count(module: nn.Module, more: int) -> None:
    if module.training and isinstance(module.calls, Tensor):
        module.calls += more


def becomes_nan(folder: Path, processes: Processes) -> tuple[str, str]:
    trainer, built = trainer_of({}, folder / "nan", processes)
    assert isinstance(built, Built)
    terms = [WeightedTerm("odd", NanInSecondProcess(), FixedValue(1.0))]
    trainer.bundle = LossBundle(built.bundle.model, terms, built.bundle.data)
    return raised_by(trainer.train)


class Replaces:
    """Writes the data again at the end of the first epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @hookimpl
    def epoch_ended(self) -> None:
        write_waves(self.path, 2.0)


def write_waves(path: Path, scale: float) -> None:
    rng = np.random.default_rng(0)
    axes = {"x": np.arange(32) / 32, "t": np.arange(6) / 5}
    np.savez(path, u=scale * rng.normal(size=(12, 6, 32)).cumsum(-1), **axes)


def data_change(folder: Path, processes: Processes) -> dict[str, Any]:
    """What ends each process, and the step of the last checkpoint, where the data are written again in a run."""
    folder.mkdir(exist_ok=True)
    path = folder / "waves.npz"
    processes.of_first(lambda: write_waves(path, 1.0))
    held, reading.KEPT_BYTES = reading.KEPT_BYTES, 0
    data = {"name": "npz", "path": str(path), "periodic": True}
    experiment = Experiment.from_dict({**BASE, "data": data})
    try:
        raised = raised_by(lambda: experiment.train(folder / "run", listeners=[Replaces(path)]))
    finally:
        reading.KEPT_BYTES = held
    last = checkpoint.load(folder / "run" / "checkpoints" / "last.pt")
    return {"raised": raised, "step": last["state"]["step"]}


def draws(processes: Processes, folder: Path) -> Tensor:
    """Query points on the same batch."""
    sampler = {"name": "uniform", "num_queries": 8}
    trainer, built = trainer_of({"sampler": sampler}, folder / "draws", processes)
    assert isinstance(built, Built)
    step = built.bundle.step(built.train.in_order()[0], trainer.progress())
    term = built.bundle.terms[0]
    index_BQ = step.using(term.sampler, term.stream).queries().index_BQ
    assert index_BQ is not None
    return index_BQ


def messages(processes: Processes) -> dict[str, Any]:
    """Each kind of message once."""

    def only_one(rank: int) -> None:
        with processes.agreed():
            if processes.rank == rank:
                raise UserError("this one is not well")

    def of_first() -> str:
        return processes.of_first(lambda: f"by {processes.rank}")

    def fails_on_first() -> None:
        processes.of_first(lambda: checkpoint.load(Path("nowhere.pt")))

    return {
        "of_all": processes.of_all(processes.rank),
        "of_first": of_first(),
        "sums": processes.sums([1.0, processes.rank]),
        "mean": processes.mean({"a": processes.rank}, 1 / processes.size),
        "any": [processes.any(processes.rank == 1), processes.any(False)],
        "one fails": raised_by(lambda: only_one(1)),
        "first fails": raised_by(fails_on_first),
    }


def in_turns(processes: Processes, folder: Path) -> list[int]:
    """Who has been here before."""
    with processes.in_turns():
        before = sorted(int(path.name) for path in folder.glob("[0-9]"))
        (folder / str(processes.rank)).touch()
    processes.wait()
    return before


def refused(trainer: dict[str, Any]) -> tuple[str, str]:
    experiment = Experiment.from_dict({**BASE, "trainer": {**BASE["trainer"], **trainer}})
    return raised_by(lambda: experiment.train(Path("refused")))


def elsewhere(folder: Path) -> dict[str, Any]:
    """A run that starts from the only one in a folder, with scales of its own."""
    [source] = folder.iterdir()
    return {"model": {"from": str(source), "normalization": "measure"}, "trainer": {**BASE["trainer"], "epochs": 1}}


def two(processes: Processes, folder: Path) -> dict[str, Any]:
    """All that two processes are asked."""
    return {
        "dense": train({}, folder / "dense"),
        "tasks": train(TASKS, folder / "tasks"),
        "rare": train(RARE, folder / "rare"),
        "elsewhere": train(elsewhere(folder / "dense"), folder / "elsewhere"),
        "no start": raised_by(lambda: train({"model": {**BASE["model"], "from": "nowhere"}}, folder / "none")),
        "buffer": with_a_buffer(folder, processes),
        "stages": train({"stages": STAGES}, folder / "stages"),
        "adaptive": whole_and_resumed(ADAPTIVE, folder / "adaptive2", processes),
        "nan": becomes_nan(folder, processes),
        "change": data_change(folder / "change", processes),
        "draws": draws(processes, folder),
        "messages": messages(processes),
        "refused": [refused({"batch_size": 1}), refused({"device": "cuda:1"}), refused({"device": "mps"})],
    }


def three(processes: Processes, folder: Path) -> dict[str, Any]:
    """All that three processes are asked. The checkpoint is that of two."""
    last = folder / "adaptive2" / "halves" / "checkpoints" / "last.pt"
    more, _ = trainer_of(ADAPTIVE, folder / "more", processes)
    more.load_state_dict(checkpoint.load(last), last)
    return {
        "adaptive": whole_and_resumed(ADAPTIVE, folder / "adaptive3", processes),
        "more": state_of(more)["random"]["torch"],
        "in_turns": in_turns(processes, folder),
    }


FSDP: dict[str, Any] = {"strategy": "fsdp"}
ADAMW: dict[str, Any] = {"optimizer": {"name": "adamw", "lr": 0.001}}
CHUNKED: dict[str, Any] = {"activation_checkpointing": ["encoder", "decoder"], "decode_chunk": 5}
STAGES: list[dict[str, Any]] = [
    {"name": "pretrain", "freeze": ["approximator"], "losses": {"forward": None}, "trainer": {"epochs": 1}},
    {
        "name": "operator",
        "freeze": ["encoder", "decoder"],
        "cache_latents": True,
        "losses": {"forward": {"name": "forward", "space": "latent"}, "inv_enc": None, "inv_dec": None},
    },
]
OF_FSDP: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dense": ({}, {}),
    "tasks": (TASKS, {}),
    "rare": (RARE, {}),
    "adamw": ({}, {**ADAMW, "epochs": 2, "sampling_share_every": 1}),
    "chunked": ({}, {**CHUNKED, "epochs": 1}),
    "stages": ({"stages": STAGES}, {}),
}
"""What is trained with ``fsdp`` and without: changes of the experiment, and of its trainer."""


def with_trainer(changes: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    """Changes of an experiment, with some of its trainer's settings changed too."""
    return {**changes, "trainer": {**changes.get("trainer", BASE["trainer"]), **trainer}}


def fsdp(processes: Processes, folder: Path) -> dict[str, Any]:
    """All that processes are asked that divide a model."""
    adaptive = with_trainer(ADAPTIVE, **FSDP)
    return {
        **{
            name: train(with_trainer(changes, **trainer, **FSDP), folder / f"fsdp-{name}")
            for name, (changes, trainer) in OF_FSDP.items()
        },
        "adaptive": whole_and_resumed(adaptive, folder / f"fsdp-adaptive{processes.size}", processes),
        "held": held(processes, folder),
        "optimizers": {name: steps_differ_by(name, folder, processes) for name in ("adamw", "muon", "soap")},
        "refused": [
            refused({**FSDP, "compile": True}),
            raised_by(lambda: train({"stages": [STAGES[0], {**STAGES[1], "trainer": FSDP}]}, folder / "refused")),
        ],
    }


def held(processes: Processes, folder: Path) -> dict[str, int]:
    """Numbers that this process holds: of parameters, gradients and AdamW's state, and of all parameters together."""
    trainer, built = trainer_of(with_trainer({}, **ADAMW, **FSDP, ema=None, epochs=1), folder / "held", processes)
    trainer.train()
    model = built.bundle.model
    states = [state for optimizer in trainer.optimization.optimizers for state in optimizer.state.values()]
    return {
        "parameters": sum(local(parameter).numel() for parameter in model.parameters()),
        "optimizer": sum(local(state[name]).numel() for state in states for name in ("exp_avg", "exp_avg_sq")),
        "all": sum(parameter.numel() for parameter in model.parameters()),
    }


def saved(processes: Processes, folder: Path) -> dict[str, Any]:
    """The whole state of a run that all processes have saved in parts."""
    trainer, _ = trainer_of(with_trainer({}, **ADAMW, **FSDP, epochs=1), folder / "saved", processes)
    trainer.train()
    trainer._keeping._save_own_part()  # as after an error, when nobody can wait for the others
    processes.wait()
    return plain_state(trainer)


def loaded(processes: Processes, folder: Path) -> dict[str, Any]:
    """The whole state of a run that goes on from what another number of processes has saved."""
    trainer, _ = trainer_of(with_trainer({}, **ADAMW, **FSDP, epochs=1), folder / "loaded", processes)
    [alone] = (folder / "saved" / "checkpoints").glob("alone-*")
    found = {}
    for path in (alone, folder / "saved" / "checkpoints" / "last"):
        trainer.load_state_dict(checkpoint.load(path), path)
        found[path.name.partition("-")[0]] = plain_state(trainer)
    return found


def plain_state(trainer: Trainer) -> dict[str, Any]:
    """What is the same for any number of processes, with whole tensors."""
    state = trainer.state_dict()
    return whole_state({key: state[key] for key in ("model", "ema", "optimizers", "state")})


def sent_bytes(processes: Processes, folder: Path) -> dict[str, dict[str, int]]:
    """Strategy → operation between processes → bytes of one step of one batch with the term ``forward`` alone."""
    found = {}
    for name in ("ddp", "fsdp"):
        changes = {"losses": {"forward": {"name": "forward"}}, "trainer": {**BASE["trainer"], **ADAMW, "accumulate": 1}}
        trainer, built = trainer_of(with_trainer(changes, strategy=name, ema=None), folder / "sent", processes)
        stepping = trainer._stepping
        stepping.together()
        stepping.update([built.train[0]], Means())  # the first step of FSDP finds out which part is the root
        model = built.bundle.model
        parameters = sum(parameter.numel() for parameter in model.parameters())
        padded = sum(-(-p.shape[0] // processes.size) * processes.size * p[:1].numel() for p in model.parameters())
        with Sent() as sent:
            stepping.update([built.train[1]], Means())
        with Sent() as window:
            stepping.update([built.train[2], built.train[3]], Means())
        stepping.apart()
        count = sum(1 for _ in model.parameters())
        found[name] = {**sent.bytes, "parameters": parameters, "padded": padded, "count": count}
        found[name]["window"] = window.bytes["allreduce_" if name == "ddp" else "_reduce_scatter_base_"]
    return found


class Sent(TorchDispatchMode):
    """Counts the bytes that operations between processes give or take: the larger of both."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        space, _, name = func._schema.name.partition("::")
        if space == "c10d":
            sizes = [sum(t.nbytes for t in tree_leaves(arg) if isinstance(t, Tensor)) for arg in args]
            self.bytes[name] = self.bytes.get(name, 0) + max(sizes)
        return func(*args, **(kwargs or {}))


def steps_differ_by(name: str, folder: Path, processes: Processes) -> float:
    """The largest difference of weights after 12 steps along the same gradients, divided and whole."""
    trainers = [
        trainer_of(with_trainer({}, optimizer={"name": name}, **strategy), folder / "steps", processes)[0]
        for strategy in ({}, FSDP)
    ]
    rng = torch.Generator().manual_seed(0)
    for number in range(12):
        saved = [trainer.optimization.state_dict() for trainer in trainers] if number == 6 else []
        for trainer, state in zip(trainers, saved, strict=False):
            trainer.optimization.load_state_dict(whole_state(state), folder)
        for one, other in zip(*(trainer.bundle.model.parameters() for trainer in trainers), strict=True):
            one.grad = torch.randn(one.shape, generator=rng)
            other.grad = cut_like(one.grad, other)
        for trainer in trainers:
            for optimizer in trainer.optimization.optimizers:
                optimizer.step()
    one, other = (whole_state(trainer.bundle.model.state_dict()) for trainer in trainers)
    return max(float((one[key] - other[key]).abs().max()) for key in one)


def plain(processes: Processes, folder: Path) -> dict[str, Any]:
    """What ``fsdp`` trains, with the whole model in each process."""
    return {
        name: train(with_trainer(changes, **trainer), folder / f"ddp-{name}")
        for name, (changes, trainer) in OF_FSDP.items()
        if name not in ("dense", "tasks", "rare")
    }


def half(processes: Processes, folder: Path, device: str = "cpu", formats: Sequence[str] = ("bf16",)) -> dict[str, Any]:
    """Losses of the epochs, by format and strategy."""
    found = {}
    for precision in formats:
        for strategy in ("ddp", "fsdp"):
            trainer = {"precision": precision, "strategy": strategy, "device": device, "epochs": 2, **ADAMW}
            told = train(with_trainer({}, **trainer), folder / f"{device}-{precision}-{strategy}")
            found[f"{precision} {strategy}"] = [scalars["loss/total"] for scalars in told["epochs"]]
    return found


def half_on_cuda(processes: Processes, folder: Path) -> dict[str, Any]:
    """The same with NCCL, in fp16 too, and in fp32."""
    return half(processes, folder, "cuda", ("fp32", "bf16", "fp16"))


def costs(processes: Processes, folder: Path) -> dict[str, Any]:
    """What a step sends, and what an adaptive sampler remembers."""
    trainer, built = trainer_of(with_trainer(ADAPTIVE, epochs=1), folder / "costs", processes)
    trainer.train()
    [scores] = [value["value_SK"] for value in trainer.state_dict()["samplers"].values() if "value_SK" in value]
    assert isinstance(built, Built)
    stream = next(iter(built.bundle.samplers))
    probe = TrainingProbe(built.bundle, stream, built.train.in_order(), trainer.progress(), trainer.device, processes)
    with Sent() as sent:
        points = sum(value.numel() for _, value in probe.errors())
    told = {"bytes": sent.bytes.get("broadcast_", 0), "points": points}
    return {
        "sent": sent_bytes(processes, folder),
        "scores": scores,
        "samples": built.train.num_samples,
        "probe": told,
    }
