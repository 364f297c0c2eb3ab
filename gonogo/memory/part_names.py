"""Names of the parts of a run."""

STEP, VALIDATION, CHECKPOINT = "training step", "validation", "checkpoint"
