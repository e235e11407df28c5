"""Everything a user can get wrong ends before training, with exit code 2 and a message that has place and cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from .conftest import TINY, Upt

Refused = Callable[..., str]


def test_missing_configuration(refused: Refused) -> None:
    message = refused("train", "tinny.yaml")
    assert "tinny.yaml: does not exist" in message
    assert "tiny.yaml" in message.splitlines()[1]


def test_unknown_name_lists_near_and_known(refused: Refused) -> None:
    message = refused("train", "tiny.yaml", "trainer.optimizer.name=adamv")
    assert "trainer.optimizer: no optimizer is called 'adamv'; did you mean 'adamw'?" in message
    assert "known: adamw" in message


def test_misspelt_key_at_depth_has_file_and_line(refused: Refused) -> None:
    Path("tiny.yaml").write_text(TINY.replace("weight: 0.1", "wieght: 0.1"))
    message = refused("train", "tiny.yaml")
    assert "tiny.yaml:13:" in message
    assert "losses.inverse_encoding.wieght: unknown key" in message
    assert "did you mean 'weight'?" in message


def test_misspelt_key_at_the_root(refused: Refused) -> None:
    message = refused("check", "tiny.yaml", "trainr.epochs=3")
    assert "trainr: unknown key" in message
    assert "did you mean 'trainer'?" in message


def test_wrong_type(refused: Refused) -> None:
    message = refused("train", "tiny.yaml", "trainer.epochs=two")
    assert "command line (trainer.epochs=two): trainer.epochs: expected a whole number; got 'two'" in message


def test_all_problems_at_once(refused: Refused) -> None:
    message = refused("check", "tiny.yaml", "trainer.epochs=0", "sampler.num_queries=x")
    assert "the configuration has 2 problems\n  command line" in message
    assert "trainer.epochs: must be greater than 0; got 0" in message
    assert "sampler.num_queries: expected a whole number; got 'x'" in message


@pytest.mark.parametrize("count", ["0", "-3"])
def test_no_query_points(refused: Refused, count: str) -> None:
    message = refused("train", "tiny.yaml", f"sampler.num_queries={count}")
    assert f"sampler.num_queries: must be at least 1; got {count}" in message


def test_grid_that_patches_do_not_divide(refused: Refused) -> None:
    message = refused("train", "tiny.yaml", "model.encoder.patch=5")
    assert "model.encoder: a grid of [32] points cannot be cut into patches of [5]" in message
    assert "use a patch of 1, 2, 4, 8, 16, 32" in message


def test_an_override_without_a_value(refused: Refused) -> None:
    assert ("'trainer.epochs' is not an override; expected key.path=value") in refused(
        "train", "tiny.yaml", "trainer.epochs"
    )


def write_darcy(path: Path, y: torch.Tensor) -> str:
    torch.save({"x": torch.rand(y.shape, generator=torch.Generator().manual_seed(0)), "y": y}, path)
    return f"data={{name: neuraloperator, path: {path}}}"


def fields() -> torch.Tensor:
    return torch.rand(12, 8, 8, generator=torch.Generator().manual_seed(1))


def test_missing_data(refused: Refused) -> None:
    message = refused("train", "tiny.yaml", "data={name: neuraloperator, path: absent.pt}")
    assert "absent.pt" in message
    assert "no such file" in message or "does not exist" in message


def test_nan_in_data(refused: Refused) -> None:
    values = fields()
    values[3, 2, 1] = float("nan")
    message = refused("train", "tiny.yaml", write_darcy(Path("darcy.pt"), values))
    assert "not finite" in message or "NaN" in message


def test_truncated_data(refused: Refused) -> None:
    override = write_darcy(Path("darcy.pt"), fields())
    Path("darcy.pt").write_bytes(Path("darcy.pt").read_bytes()[:1000])
    message = refused("train", "tiny.yaml", override)
    assert "darcy.pt" in message
    assert "truncated" in message


@pytest.mark.usefixtures("trained")
def test_checkpoint_of_another_architecture(upt: Upt) -> None:
    refused = upt("train", "--resume", "run", "model.latent.dim=32")
    assert refused.exit_code == 2
    assert "a resumed run keeps its experiment, and these changes make another experiment" in refused.stderr
    config = Path("run/config.yaml")
    config.write_text(config.read_text().replace("dim: 16", "dim: 32"))
    assert upt("evaluate", "run").exit_code == 0, "the checkpoint knows its own architecture"
    result = upt("report", "run")
    assert result.exit_code == 0


def test_not_a_run(refused: Refused) -> None:
    assert "nothing: there is no such run folder or file" in refused("evaluate", "nothing")
    for command in (["report", "nothing"], ["train", "--resume", "nothing"]):
        assert "nothing: this is not the folder of a run; it has no config.yaml" in refused(*command)


def test_a_device_that_is_not_there(refused: Refused) -> None:
    assert "trainer.device is 'cuda:99', but this machine has" in refused("check", "tiny.yaml", "--device", "cuda:99")


def test_resume_takes_no_configuration_and_no_other_folder(upt: Upt) -> None:
    result = upt("train", "--resume", "run", "tiny.yaml")
    assert result.exit_code == 2
    assert "--resume uses the run's own configuration; remove tiny.yaml" in result.stderr
    result = upt("train", "--resume", "run", "--run-dir", "other")
    assert result.exit_code == 2
    assert "--resume continues in the run's own folder; remove --run-dir" in result.stderr


def test_a_folder_that_holds_a_run_is_not_overwritten(upt: Upt) -> None:
    Path("run/checkpoints").mkdir(parents=True)
    Path("run/config.yaml").write_text("")
    Path("run/checkpoints/last.pt").write_text("")
    result = upt("train", "tiny.yaml", "--run-dir", "run")
    assert result.exit_code == 2
    assert "run already contains a run; continue it with --resume run, or name another folder" in result.stderr
