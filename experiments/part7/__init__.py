"""The studies of part 7, one file each."""
