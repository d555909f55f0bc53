"""Training: the loop, evaluation, metrics, checkpoints and the run directory."""
