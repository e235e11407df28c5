"""Symmetric images of training trajectories: each a solution, of training alone, fields turned as vectors are."""

from __future__ import annotations

import pytest
import torch

from upt_core import DataError, Dataset, DataSpec, FieldSpec, InMemory, Split, Trajectories, Trajectory
from upt_core.testing import check_dataset
from upt_data.burgers1d import Burgers1d
from upt_data.symmetric import Symmetric


class Swirls(Dataset):
    """A streamfunction ψ on a periodic square, with the velocity (∂ψ/∂y, −∂ψ/∂x) and the vorticity −Δψ, exactly."""

    def __init__(self, shape: tuple[int, int] = (12, 12), periodic: bool = True, scattered: bool = False) -> None:
        self.shape, self.periodic, self.scattered = shape, periodic, scattered

    def spec(self) -> DataSpec:
        fields = (FieldSpec("psi"), FieldSpec("velocity", 2), FieldSpec("vorticity"))
        shape = None if self.scattered else self.shape
        return DataSpec(fields, fields, (1.0, 1.0), (self.periodic,) * 2, shape, origin=(0.0, 0.0))

    def trajectories(self, split: Split) -> Trajectories:
        number = {"train": 0, "valid": 7, "test": 14}[split]
        return InMemory([self._one(number + k) for k in range(3)])

    def _one(self, seed: int) -> Trajectory:
        x, y = torch.meshgrid(*[(torch.arange(n) + 0.5) / n for n in self.shape], indexing="ij")
        turn, (a, b, c) = 2 * torch.pi, torch.rand(3, generator=torch.Generator().manual_seed(seed)).double()
        x, y = x.double(), y.double()
        phase = turn * (x + 2 * y + a)
        psi = torch.sin(phase) + b * torch.cos(turn * (x + c))
        by_x = turn * torch.cos(phase) - b * turn * torch.sin(turn * (x + c))
        by_y = 2 * turn * torch.cos(phase)
        vorticity = 5 * turn**2 * torch.sin(phase) + b * turn**2 * torch.cos(turn * (x + c))
        coords = torch.stack([x, y], dim=-1).view(-1, 2)
        time_T = torch.arange(2.0)
        values = {"psi": psi.view(-1, 1), "velocity": torch.stack([by_y, -by_x], dim=-1).view(-1, 2)}
        values["vorticity"] = vorticity.view(-1, 1)
        return Trajectory({name: v.expand(2, -1, -1).float() for name, v in values.items()}, coords, time_T, {})


def slope(value_TVC: torch.Tensor, axis: int) -> torch.Tensor:
    """Exact derivative of a band-limited periodic field on the unit square."""
    points = value_TVC.shape[axis]
    shape = [1] * value_TVC.ndim
    shape[axis] = points
    wave = (2j * torch.pi * torch.fft.fftfreq(points, 1 / points)).view(shape)
    return torch.fft.ifft(wave * torch.fft.fft(value_TVC, dim=axis), dim=axis).real


def test_every_image_is_a_solution_and_all_differ():
    """Velocity and vorticity still belong to each other: the curl of each image's velocity is its vorticity."""
    data = Symmetric(
        Swirls(), flips=[0, 1], swap=True, roll_axes=[0], rolls=3, vectors=["velocity"], odd=["vorticity", "psi"]
    )
    train = data.trajectories("train")
    assert len(train) == 3 * 4 * 2 * 3
    seen = set()
    for index in range(24):
        fields = train.read(index, 0, 2).fields
        velocity, vorticity = (fields[name].view(2, 12, 12, -1) for name in ("velocity", "vorticity"))
        curl = slope(velocity[..., 1:], 1) - slope(velocity[..., :1], 2)
        torch.testing.assert_close(curl, vorticity, atol=2e-2, rtol=1e-3)
        torch.testing.assert_close(slope(fields["psi"].view(2, 12, 12, 1), 2), velocity[..., :1], atol=1e-3, rtol=1e-3)
        seen.add(round(float(vorticity[0, 1, 2, 0]), 4))
    assert len(seen) == 24


def test_validation_and_test_stay_as_they_are():
    data = Symmetric(Swirls(), flips=[0])
    for split in ("valid", "test"):
        assert len(data.trajectories(split)) == 3
        assert torch.equal(
            data.trajectories(split).read(1, 0, 2).fields["psi"],
            Swirls().trajectories(split).read(1, 0, 2).fields["psi"],
        )


def test_it_keeps_the_contract_of_data_sets():
    check_dataset(Symmetric(Burgers1d(num_trajectories=8, points=16, num_times=5), roll_axes=[0], rolls=2))


def test_the_mirror_image_of_burgers_is_one_of_the_data():
    base = Burgers1d(num_trajectories=8, points=16, num_times=5)
    train = Symmetric(base, flips=[0], vectors=["u"]).trajectories("train")
    mirrored = -train.read(0, 0, 5).fields["u"].flip(1).roll(1, 1)  # point 0 lies at 0, its own mirror image
    assert torch.equal(train.read(1, 0, 5).fields["u"], mirrored)
    assert train.num_times(1) == 5


class Forced(Swirls):
    """Vorticity in a steady balance with a drag and a forcing cos(4πy), whose fields are a function of y alone."""

    def __init__(self, first: float = 0.0) -> None:
        super().__init__((16, 16))
        self.first = first

    def _one(self, seed: int) -> Trajectory:
        x, y = torch.meshgrid(*[(torch.arange(16.0) + self.first) / 16] * 2, indexing="ij")
        coords = torch.stack([x, y], dim=-1).view(-1, 2)
        vorticity = torch.cos(4 * torch.pi * y) + 0.3 * torch.cos(12 * torch.pi * y)
        values = {"psi": vorticity, "vorticity": vorticity, "velocity": torch.zeros(256, 2)}
        fields = {name: value.reshape(1, 256, -1).expand(2, -1, -1) for name, value in values.items()}
        return Trajectory(fields, coords, torch.arange(2.0), {})


@pytest.mark.parametrize("first", [0.0, 0.5])
def test_mirror_images_with_a_glide_keep_a_forced_flow(first):
    """cos(4πy) turns its sign in a mirror image and gets it back by a shift of a quarter: such images are the flow."""
    data = Symmetric(
        Forced(first), flips=[0, 1], glide=[0, 0.25], roll_axes=[0, 1], rolls=[16, 2], odd=["vorticity", "psi"]
    )
    train, flow = data.trajectories("train"), Forced(first).trajectories("train").read(0, 0, 2).fields["vorticity"]
    assert len(train) == 3 * 4 * 16 * 2
    for index in range(4 * 32):
        torch.testing.assert_close(train.read(index, 0, 2).fields["vorticity"], flow, atol=1e-5, rtol=0)


def test_some_of_the_images_are_chosen_for_each_trajectory_by_itself():
    few = Symmetric(Swirls(), flips=[0, 1], swap=True, roll_axes=[0, 1], rolls=12, images=5, odd=["psi"])
    every = Symmetric(Swirls(), flips=[0, 1], swap=True, roll_axes=[0, 1], rolls=12, odd=["psi"]).trajectories("train")
    train = few.trajectories("train")
    assert (len(train), len(every)) == (3 * 5, 3 * 8 * 144)
    assert few.remarks()[-1] == "each training trajectory has 5 of 1152 symmetric images"

    def found(trajectories: Trajectories, index: int) -> torch.Tensor:
        return trajectories.read(index, 0, 1).fields["psi"]

    for number in range(3):
        images = [found(train, 5 * number + k) for k in range(5)]
        assert torch.equal(images[0], found(every, 1152 * number))
        assert all(any(torch.equal(image, found(every, 1152 * number + k)) for k in range(1152)) for image in images)
        assert all(torch.equal(image, found(train, 5 * number + k)) for k, image in enumerate(images))


def test_it_says_how_many_images_there_are():
    assert Symmetric(Swirls(), flips=[0, 1], swap=True).remarks()[-1] == (
        "each training trajectory has 8 symmetric images"
    )


@pytest.mark.parametrize(
    ("base", "arguments", "message"),
    [
        (Swirls(scattered=True), {}, "needs fields on a regular grid"),
        (Swirls(), {"flips": [2]}, r"flips is \[2\]; name axes once, from 0 to 1"),
        (Swirls(), {"roll_axes": [0, 0]}, r"roll_axes is \[0, 0\]; name axes once"),
        (Swirls(periodic=False), {"roll_axes": [1]}, "axis 1 of roll_axes is not periodic"),
        (
            Swirls(),
            {"roll_axes": [0], "rolls": 5},
            "roll_axes shifts axis 0 by 0.2 of its 12 points, which is not a whole",
        ),
        (Swirls(), {"roll_axes": [0], "rolls": [2, 3]}, r"rolls is \[2, 3\]; it needs one number for all axes, or one"),
        (Swirls(), {"flips": [0], "glide": [0.5]}, r"glide is \[0.5\]; it needs one fraction for each of 2 axes"),
        (Swirls(), {"flips": [0], "glide": [0.1, 0]}, "glide shifts axis 0 by 0.1 of its 12 points"),
        (Swirls(periodic=False), {"flips": [0], "glide": [0.5, 0]}, "axis 0 of glide is not periodic"),
        (Swirls((12, 10)), {"swap": True}, r"swap exchanges the first two axes, but they differ: points \[12, 10\]"),
        (Swirls(), {"vectors": ["psi"]}, "field 'psi' has 1 channels, but a vector has one for each of 2 axes"),
    ],
)
def test_symmetries_that_do_not_fit_are_refused(base, arguments, message):
    with pytest.raises(DataError, match=message):
        Symmetric(base, **arguments).spec()


def test_an_unknown_field_is_named():
    with pytest.raises(ValueError, match="no field is called 'w'"):
        Symmetric(Swirls(), odd=["w"]).spec()


class Turned(Swirls):
    """The same velocity, its component along the second axis first."""

    def spec(self) -> DataSpec:
        fields = (FieldSpec("psi"), FieldSpec("velocity", 2, along=(1, 0)), FieldSpec("vorticity"))
        return DataSpec(fields, fields, (1.0, 1.0), (True, True), self.shape, origin=(0.0, 0.0))

    def _one(self, seed: int) -> Trajectory:
        own = super()._one(seed)
        own.fields["velocity"] = own.fields["velocity"].flip(-1)
        return own


def test_components_in_another_order_turn_with_their_axes():
    settings = {"flips": [0, 1], "swap": True, "vectors": ["velocity"]}
    plain, turned = (Symmetric(base, **settings).trajectories("train") for base in (Swirls(), Turned()))
    for index in range(8):
        expected, found = (one.read(index, 0, 2).fields["velocity"] for one in (plain, turned))
        torch.testing.assert_close(found.flip(-1), expected)
