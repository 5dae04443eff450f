"""Parts 6 and 8: directions that mean something, and where facts live."""
