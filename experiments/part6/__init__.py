"""The studies of part 6: one file each."""
