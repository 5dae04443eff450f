"""The studies of part 8, one file each."""
