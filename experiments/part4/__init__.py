"""The studies of part 4, one file each."""
