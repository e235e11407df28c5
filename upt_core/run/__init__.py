"""A run on disk: its folder and records, training and resuming it. The only place that builds and runs."""
