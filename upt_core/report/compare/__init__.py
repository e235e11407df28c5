"""Runs beside each other: what differs in their configurations, versions and metrics, and their curves."""

from __future__ import annotations

from upt_core.report.compare.curves import write_curves
from upt_core.report.compare.page import write_page
from upt_core.report.compare.runs import MISSING, Comparison, compare

__all__ = ["MISSING", "Comparison", "compare", "write_curves", "write_page"]
