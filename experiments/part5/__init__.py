"""Part 5's stages and studies: training, the ladder, next words, temperature, scale."""
