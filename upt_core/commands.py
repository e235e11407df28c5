"""What commands and converters may import beside ``upt_core``: reading configurations, building, running, showing.

Each name is imported at first use, as in ``upt_core``. These names keep the promise of the public names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upt_core.lazy import imported_late

if TYPE_CHECKING:
    from upt_core.cli.files import write_new
    from upt_core.cli.group import INTERRUPTED
    from upt_core.cli.text import heading, table
    from upt_core.config.document import Converted, Converter, Document, read
    from upt_core.config.merge import COMMAND_LINE, apply_overrides, merge
    from upt_core.config.problems import problems_of
    from upt_core.config.schema import Section
    from upt_core.config.sections import as_plain
    from upt_core.config.settings import stages_of, validate
    from upt_core.config.yaml_text import Keys, dump_yaml
    from upt_core.data.prepared import PreparedData
    from upt_core.errors import Problem
    from upt_core.figures import count
    from upt_core.gather import gather_points
    from upt_core.kinds import FixedValue
    from upt_core.loss_bundle import LossBundle, WeightedTerm
    from upt_core.operator.mean_field import mean_field
    from upt_core.operator.rollout import persistence, rollout
    from upt_core.precision import Precision, autocast, resolve_device
    from upt_core.registry import Registry
    from upt_core.registry.discovery import installed
    from upt_core.report.style import THEMES, Theme, figure, spans_decades
    from upt_core.report.view import View, view_of
    from upt_core.run.built import Built
    from upt_core.run.compiled import compile_parts
    from upt_core.run.dataset import dataset_of_section, section_with
    from upt_core.run.folder import RESULTS
    from upt_core.seeding import generator, stream_seed
    from upt_core.testing.spy import watch
    from upt_core.training.means import Means
    from upt_core.training.sampling_share import sampling_share
    from upt_core.training.sharding import blocks_of
    from upt_core.training.trainer import Trainer
    from upt_core.wording import shown, typed

_MODULE_OF = {
    "cli.files": ("write_new",),
    "cli.group": ("INTERRUPTED",),
    "cli.text": ("heading", "table"),
    "config.document": ("Converted", "Converter", "Document", "read"),
    "config.merge": ("COMMAND_LINE", "apply_overrides", "merge"),
    "config.problems": ("problems_of",),
    "config.schema": ("Section",),
    "config.sections": ("as_plain",),
    "config.settings": ("stages_of", "validate"),
    "config.yaml_text": ("Keys", "dump_yaml"),
    "data.prepared": ("PreparedData",),
    "errors": ("Problem",),
    "figures": ("count",),
    "gather": ("gather_points",),
    "kinds": ("FixedValue",),
    "loss_bundle": ("LossBundle", "WeightedTerm"),
    "operator.evaluate": ("mean_field",),
    "operator.rollout": ("persistence", "rollout"),
    "precision": ("Precision", "autocast", "resolve_device"),
    "registry": ("Registry",),
    "registry.discovery": ("installed",),
    "report.style": ("THEMES", "Theme", "figure", "spans_decades"),
    "report.view": ("View", "view_of"),
    "run.built": ("Built",),
    "run.compiled": ("compile_parts",),
    "run.dataset": ("dataset_of_section", "section_with"),
    "run.folder": ("RESULTS",),
    "seeding": ("generator", "stream_seed"),
    "testing.spy": ("watch",),
    "training.means": ("Means",),
    "training.sampling_share": ("sampling_share",),
    "training.sharding": ("blocks_of",),
    "training.trainer": ("Trainer",),
    "wording": ("shown", "typed"),
}

__all__ = [
    "COMMAND_LINE",
    "INTERRUPTED",
    "RESULTS",
    "THEMES",
    "Built",
    "Converted",
    "Converter",
    "Document",
    "FixedValue",
    "Keys",
    "LossBundle",
    "Means",
    "Precision",
    "PreparedData",
    "Problem",
    "Registry",
    "Section",
    "Theme",
    "Trainer",
    "View",
    "WeightedTerm",
    "apply_overrides",
    "as_plain",
    "autocast",
    "blocks_of",
    "compile_parts",
    "count",
    "dataset_of_section",
    "dump_yaml",
    "figure",
    "gather_points",
    "generator",
    "heading",
    "installed",
    "mean_field",
    "merge",
    "persistence",
    "problems_of",
    "read",
    "resolve_device",
    "rollout",
    "sampling_share",
    "section_with",
    "shown",
    "spans_decades",
    "stages_of",
    "stream_seed",
    "table",
    "typed",
    "validate",
    "view_of",
    "watch",
    "write_new",
]

__getattr__, __dir__ = imported_late(__name__, _MODULE_OF)
