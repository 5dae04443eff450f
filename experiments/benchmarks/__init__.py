"""One file a hot path: `cases(peers)` for `python -m experiments.benchmark`."""
