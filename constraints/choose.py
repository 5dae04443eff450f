"""Prints the constraints file of the running Python: one tested set a line of JAX."""

import sys

print("python3.11.txt" if sys.version_info < (3, 12) else "python3.12.txt")
