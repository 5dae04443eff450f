"""The epoch in PyTorch, eager: modules, autograd, torch.optim.SGD, batch by batch."""

# torch is in the extra `peers`, which the checks do without.
# pyright: reportMissingImports=false

import itertools
from collections.abc import Callable

import numpy as np
import torch


def epoch(
    images: np.ndarray,
    labels: np.ndarray,
    widths: tuple[int, ...],
    batch: int,
    rate: float,
    threads: int,
) -> Callable[[], None]:
    """A function that trains one epoch at each call, on a number of CPU threads.

    Args:
      images: (examples, pixels) in [0, 1].
      labels: (examples,).
      widths: neurons a layer; sigmoid, squared error without 1/2.
      batch: examples a step.
      rate: of the mean gradient of a batch.
      threads: what torch may use.
    """
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for into, out in itertools.pairwise(widths):
        layers += [torch.nn.Linear(into, out), torch.nn.Sigmoid()]
    network = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    inputs = torch.from_numpy(images)
    desired = torch.eye(widths[-1])[torch.from_numpy(labels.astype(np.int64))]

    def turn() -> None:
        torch.set_num_threads(threads)
        for chosen in torch.randperm(len(inputs)).split(batch):
            optimizer.zero_grad()
            error = network(inputs[chosen]) - desired[chosen]
            (error.square().sum() / len(chosen)).backward()
            optimizer.step()

    return turn
