"""The loop, and what it is made of: plan, optimizers, checkpoints, measures."""
