"""Runs beside each other: what differs in their configurations, versions and metrics, and their curves."""

from __future__ import annotations

from upt_core.report.compare.curves import write_curves
from upt_core.report.compare.page import verdict, write_page
from upt_core.report.compare.runs import MISSING, Comparison, compare
from upt_core.report.compare.seeds import groups
from upt_core.report.compare.seeds import rows as seed_rows

__all__ = ["MISSING", "Comparison", "compare", "groups", "seed_rows", "verdict", "write_curves", "write_page"]
