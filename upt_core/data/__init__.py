"""From trajectories to batches: windows, normalisation, caches."""
