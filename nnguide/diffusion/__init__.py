"""Part 9: noise, and the way back from it."""
