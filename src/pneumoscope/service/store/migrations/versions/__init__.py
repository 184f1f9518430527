"""One module per step, in the order of its ``down_revision``."""
