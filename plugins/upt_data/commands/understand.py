"""Files → the data set that reads them and its settings: a proposal, which is tried before it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import Any

import h5py

from upt_core import DataError, Dataset, UserError
from upt_core.commands import dataset_of_section, section_with
from upt_data.arrays.frames import frames_of
from upt_data.arrays.hdf5 import open_hdf5_arrays
from upt_data.arrays.mat import open_mat
from upt_data.arrays.netcdf import open_netcdf
from upt_data.arrays.npz import open_npy_folder, open_npz
from upt_data.arrays.source import ArraySource
from upt_data.arrays.zarr import is_store, open_zarr
from upt_data.commands.guess import few, holes
from upt_data.commands.propose import propose_grid, propose_points
from upt_data.commands.seams import wraps
from upt_data.files.paths import find_files
from upt_data.mesh import Mesh
from upt_data.pdebench_layouts import detect
from upt_data.torch_files import load_torch

OPENERS: dict[str, Callable[[Path], ArraySource]] = {
    "hdf5": open_hdf5_arrays,
    "mat": open_mat,
    "netcdf": open_netcdf,
    "npz": lambda path: open_npy_folder(path) if path.is_dir() else open_npz(path),
    "zarr": open_zarr,
}
BY_SUFFIX = {
    ".npz": "npz",
    ".zarr": "zarr",
    ".nc": "netcdf",
    ".nc4": "netcdf",
    ".cdf": "netcdf",
    ".mat": "mat",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".he5": "hdf5",
}
ENDINGS = (*BY_SUFFIX, *Mesh.suffixes, ".pt", ".pth", ".yaml", ".yml")

DOUBT = "periodic: [{}] is a guess, because values at both ends of an axis are similar; correct it if this is chance"


@dataclass(frozen=True)
class Understood:
    """A data set by name, the settings that read the files, what is in the first of them, and what to look at again."""

    name: str
    settings: dict[str, Any]
    arrays: list[list[str]]
    doubt: str = ""

    def build(self) -> Dataset:
        """The data set.

        Raises:
            UserError: there is no data set of this name, or it has other settings; DataError: it cannot read the files
                so.
        """
        return dataset_of_section({"name": self.name, **self.settings})

    def with_overrides(self, overrides: Sequence[str]) -> Understood:
        """The same with other settings.

        Raises:
            UserError: one is not of the data set.
        """
        settings = section_with({"name": self.name, **self.settings}, overrides) if overrides else self.settings
        return replace(self, settings={key: value for key, value in settings.items() if key != "name"})


def overrides_among(arguments: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files, folders and patterns among the arguments of a command, and the overrides, KEY=VALUE.

    Raises:
        UserError: there are no files.
    """
    overrides = tuple(str(one) for one in arguments if _is_override(one))
    files = tuple(one for one in arguments if str(one) not in overrides)
    if not files:
        raise UserError(f"{overrides[0]}: this is a setting, and no file was named; write the files before it")
    return files, overrides


def _is_override(argument: Path) -> bool:
    """Whether it is KEY=VALUE rather than a file or pattern such as ``nu=*.npz``."""
    text = str(argument)
    is_setting = re.match(r"[A-Za-z_][\w.]*=", text) and argument.suffix.lower() not in ENDINGS and not glob(text)
    return bool(is_setting)


def understand(files: Sequence[Path], name: str | None = None, overrides: Sequence[str] = ()) -> Understood:
    """What reads these files.

    Args:
        files: files, folders or patterns, as ``path`` of a data set takes them.
        name: the data set; None: found by the content of the first file.
        overrides: settings instead of those that are found, each ``data.KEY=VALUE``.

    Raises:
        DataError: there is no such file, or no data set reads it.
        UserError: the files are of several formats, or an override is not of the data set.
    """
    named = [text.removeprefix("data.name=") for text in overrides if text.startswith("data.name=")]
    others = [text for text in overrides if not text.startswith("data.name=")]
    return _tried(_proposed(files, named[-1] if named else name).with_overrides(others))


def _proposed(files: Sequence[Path], name: str | None) -> Understood:
    path: Any = [str(file) for file in files] if len(files) > 1 else str(files[0])
    first = _first(files[0])
    if name is None:
        _check_alike(files, first)
    name = name or _name(first)
    source = OPENERS[name](first) if name in OPENERS else None
    if source is None:
        return Understood(name, {"path": path, **_usual(name, files)}, [])
    arrays = [[one, str(source.shape(one)), str(source.dtype(one))] for one in sorted(source.names())[:30]]
    try:
        if {"pos", "ptr"} <= set(source.names()):
            found = Understood("points", {"path": path, **propose_points(source)}, arrays)
        else:
            alone = len(files) == 1 and first == files[0].expanduser()
            found = Understood(name, {"path": path, **propose_grid(source, name, alone)}, arrays)
    finally:
        source.close()
    return found


def _check_alike(files: Sequence[Path], first: Path) -> None:
    """Refuses files of several formats, in folders too, by the endings of their names and what is in folders."""
    own = _format(first)
    for other in (one for file in files for one in _all(file)):
        if _format(other) != own:
            raise UserError(
                f"{first} is read as {own}, {other} as {_format(other)}: a data set reads files of one format; name "
                f"files of one format, with a pattern such as 'DIR/*{first.suffix}' (for inputs in one format and "
                f"targets in another, see the data set 'paired')"
            )


def _format(path: Path) -> str:
    if path.is_dir():
        return _name_of_folder(path)
    suffix = path.suffix.lower()
    return BY_SUFFIX.get(suffix) or ("torch" if suffix in (".pt", ".pth") else _name(path))


def _tried(found: Understood) -> Understood:
    """With what a look at the data adds, where they can be read at all."""
    try:
        dataset = found.build()
    except ValueError:
        return found  # what is wrong is told where the data set is described
    found = replace(found, settings={**few(dataset), **found.settings})
    # Only where arrays are read as they are found: other layouts say themselves which axes wrap around.
    around = wraps(found.build(), found.settings) if found.name in OPENERS else {}
    doubt = DOUBT.format(", ".join(map(str, around["periodic"])).lower()) if around else ""
    return replace(found, settings={**found.settings, **around, **holes(dataset)}, doubt=doubt)


def _first(path: Path) -> Path:
    """The first file that a path stands for."""
    return _all(path)[0]


def _all(path: Path) -> list[Path]:
    """The files that a path stands for; a folder that is one of some format stands for itself."""
    path = path.expanduser()
    well = path / "data" / "train"
    if well.is_dir():
        return [path]
    if path.is_dir() and (is_store(path) or (path / "x.th").is_file() or frames_of(path) or any(path.glob("*/x.th"))):
        return [path]
    known = (*BY_SUFFIX, *Mesh.suffixes, ".pt", ".pth")
    found = find_files(path, known, lambda item: item.is_file() or is_store(item) or bool(frames_of(item)))
    return [place.path for place in found]


def _name(path: Path) -> str:
    """The data set for a file, by its content where the ending of its name says too little."""
    if path.is_dir():
        return _name_of_folder(path)
    suffix = path.suffix.lower()
    if suffix in (".pt", ".pth"):
        return "neuraloperator" if isinstance(content := load_torch(path), dict) and "y" in content else "point_cases"
    if suffix in Mesh.suffixes:
        return "mesh"
    if suffix not in BY_SUFFIX:
        raise UserError(
            f"{path}: no data set reads files with this ending; known endings are {', '.join(sorted(BY_SUFFIX))}, .pt "
            "and "
            f"{', '.join(Mesh.suffixes)}; name one with --as"
        )
    return _name_of_hdf5(path) if BY_SUFFIX[suffix] == "hdf5" else BY_SUFFIX[suffix]


def _name_of_folder(path: Path) -> str:
    if (path / "data" / "train").is_dir():
        return "the_well"
    if is_store(path):
        return "zarr"
    if (path / "x.th").is_file() or any(path.glob("*/x.th")):
        return "point_frames"
    names = {item.stem for item in path.glob("*.npy")}
    return "npz" if names & {"x", "t", "time"} else "frames"


def _name_of_hdf5(path: Path) -> str:
    source = open_hdf5_arrays(path)
    attributes = source.attributes()
    source.close()
    if {"n_trajectories", "n_spatial_dims"} <= set(attributes):
        return "the_well"
    with h5py.File(path, "r") as file:
        try:
            detect(file, path, "u")
        except DataError:
            return "hdf5"
    return "pdebench"


def _usual(name: str, files: Sequence[Path]) -> dict[str, Any]:
    """Settings that a data set of one trajectory needs."""
    folder = files[0]
    single = len(files) == 1 and folder.is_dir() and ((folder / "x.th").is_file() or bool(frames_of(folder)))
    return {"split_by": "time"} if name in ("point_frames", "frames") and single else {}
