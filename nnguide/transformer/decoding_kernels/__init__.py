"""Writing token after token on CPUs, faster than XLA: C++ that XLA calls."""
