"""``data`` of the old form → ``data``: a file, or a problem that upt solves itself."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from upt_convert.translation import Translation
from upt_core.commands import shown

READERS = {".hdf5": "pdebench", ".h5": "pdebench", ".npz": "npz", ".pt": "neuraloperator"}
SOLVERS = {"burgers1d": "burgers1d", "burgers2d": "burgers2d", "burgers": "burgers1d", "advection": "advection1d"}
"""Beginning of a task's name → the data set that makes such data; the longest comes first."""
FILES = ("path", "file", "filename", "data_path")
FILES_OF_TASKS = ("data.files", "data.paths")
SIZES: dict[str, tuple[str, ...]] = {
    "points": ("points", "resolution", "nx"),
    "num_trajectories": ("num_trajectories", "num_samples", "limit"),
    "num_times": ("num_times", "nt", "time_steps"),
    "viscosity": ("viscosity", "nu"),
}
"""Parameter of a solver → its spellings in the old form."""
READING: dict[str, tuple[str, ...]] = {
    "num_trajectories": ("num_trajectories", "num_samples", "limit"),
    "time_stride": ("time_stride", "t_stride"),
    "space_stride": ("space_stride", "x_stride", "downsample"),
}


def translate_data(t: Translation) -> None:
    """The data set, or a data set for each of several tasks. A section that names a data set of upt is taken over."""
    if t.has("data.name"):
        _native(t)
        return
    key = "data.task" if t.has("data.task") or not t.has("data.tasks") else "data.tasks"
    if not t.has(key):
        sections = " and ".join(key for key in t.old.data)
        hint = (
            f"the sections {sections} belong to the old form, so the file is read in that form; see upt config "
            "convert --help"
        )
        t.problem(key, "is missing: the name of a task", hint)
        return
    found = t.get(key, [])
    tasks = found if isinstance(found, list) else [found]
    if not tasks or not all(isinstance(task, str) and task and "." not in task for task in tasks):
        t.problem(key, f"expected the name of a task, or a list of names; got {shown(found)}")
        return
    if len(tasks) == 1:
        _dataset(t, tasks[0], key, "data")
        return
    for task in tasks:
        t.put(f"tasks.{task}", {}, key)
        _dataset(t, task, key, f"tasks.{task}.data")
        t.move(f"data.task_weights.{task}", f"tasks.{task}.weight")
    t.say(key, f"tasks: {', '.join(tasks)}, each with its own encoder and decoder")


def _native(t: Translation) -> None:
    patches = ("patch_size", "patch")
    t.put("data", {key: value for key, value in t.get("data").items() if key not in patches}, "data")
    for key in t.get("data"):
        t.new.origins["data", key] = t.old.origin(("data", key))
        if key not in patches:
            t.say(f"data.{key}", "the same")


def _dataset(t: Translation, task: str, key: str, new: str) -> None:
    """The data set of a task, from the file that is given, or from upt's own solver, or from a file to be named."""
    file = next((f"{files}.{task}" for files in FILES_OF_TASKS if t.has(f"{files}.{task}")), t.first("data", FILES))
    root = t.get("data.root")
    if file is not None and isinstance(t.get(file), str):
        _file(t, key, file, new)
    elif root is None and (solver := _solver(task)):
        t.put(new, {"name": solver}, key)
        t.say(key, f"{new}.name: {solver} (upt solves it; write data.path to read a file)")
        _sizes(t, SIZES, new)
    else:
        _guess(t, task, key, root, new)


def _solver(task: str) -> str | None:
    return next((solver for start, solver in SOLVERS.items() if task.lower().startswith(start)), None)


def _file(t: Translation, key: str, file: str, new: str) -> None:
    path = t.get(file)
    name = READERS.get(PurePosixPath(path).suffix.lower(), "pdebench")
    t.put(new, {"name": name}, file)
    t.put(f"{new}.path", path, file)
    t.say(file, f"{new}.name: {name}, {new}.path: {path}")
    t.say(key, "not needed: it follows from the file")
    t.say("data.root", "not needed: the file's path is given")
    _sizes(t, READING, new)


def _guess(t: Translation, task: str, key: str, root: Any, new: str) -> None:
    """A folder and a task do not name a file; a place for the path is left, and said."""
    path = str(PurePosixPath(str(root or ".")) / f"{task}.hdf5")
    t.put(new, {"name": "pdebench", "path": path}, key)
    t.say(key, f"{new}.name: pdebench, {new}.path: {path}")
    t.say("data.root", f"{new}.path: {path}")
    t.remark(f"{new}.path: {path}; a task does not name its file, so set this to your file")
    _sizes(t, READING, new)


def _sizes(t: Translation, parameters: dict[str, tuple[str, ...]], new: str) -> None:
    for parameter, spellings in parameters.items():
        found = t.first("data", spellings)
        if found is None and parameter == "time_stride":
            found = t.first("training", spellings)
        t.move(found, f"{new}.{parameter}")
