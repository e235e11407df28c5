"""The built-in callbacks: listeners of a run."""
