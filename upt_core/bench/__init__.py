"""Benchmarks: what upt measures of itself beside its rivals, all ratios within one run."""
