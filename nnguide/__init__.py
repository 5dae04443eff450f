"""The guide "Neural Networks & Deep Learning", part by part, as modules.

Part 1  a neural network on digits      `network.mlp`, `network.activations`
Part 2  gradient descent                `network.cost`, `network.descent`
Part 3  backpropagation                 `network.backprop`
Part 4  the calculus of backpropagation `network.chain`

`training` runs any of them, `data` feeds them, `parallel` spreads them over devices,
`plots` draws what was measured, and `experiments` joins the pieces into launchers.
"""

__version__ = "0.1.0"
