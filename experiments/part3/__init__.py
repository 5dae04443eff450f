"""The studies of part 3, one file each."""
