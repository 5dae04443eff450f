"""Parts 1-4: neurons, digits, gradient descent, backpropagation, the chain rule."""
