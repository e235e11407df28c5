"""Sweeps: many runs of one experiment, each at another point of a space, on Optuna's storage.

In the order in which a sweep goes: ``file`` reads and checks it, ``point`` makes the experiment of a point, ``study``
keeps the trials, ``trial`` runs one, ``workers`` run them all, ``outcome`` and ``picture`` show what came out.
"""

from importlib.util import find_spec

from upt_core.errors import UserError

if find_spec("optuna") is None:
    raise UserError("upt sweep needs Optuna, which is not installed: pip install 'upt-core[sweep]'")
