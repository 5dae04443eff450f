"""The studies of part 9, one file each."""
