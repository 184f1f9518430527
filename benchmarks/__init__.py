"""Speed and memory, each beside its alternative in one run: ``python -m benchmarks [NAME …] [--json]``."""
