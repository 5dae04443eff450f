"""Part 1's studies: the digits, confidence on noise, random labels, edges."""
