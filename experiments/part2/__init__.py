"""Part 2's studies: the cost, its gradient, saturation, smoothness, ReLU, batches."""
