"""Blocks on CPUs, faster than XLA's: C++ that XLA calls."""
