"""One epoch of 784-30-10 on 4,000 digits, batch 10: Nielsen's network.

Ours is the loop's own step: what `training.fit` compiles, without its files.
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.benchmark import Case
from experiments.benchmarks.peers import mlp_numpy
from nnguide import parallel, training
from nnguide.data.images import ImageConfig, image_batches, load_images
from nnguide.network import classify
from nnguide.network.mlp import Mlp, MlpConfig
from nnguide.training.step import initial_state, make_step

WIDTHS, BATCH, RATE = (784, 30, 10), 10, 1.5


def cases(peers: bool) -> list[Case]:
    """The epoch in JAX, and if asked for in NumPy and in PyTorch."""
    source = load_images(ImageConfig(), "train")
    contenders: dict[str, Callable[[], float | None]] = {"nnguide": _ours(source)}
    if peers:
        arrays = source.arrays()
        images = arrays["image"].reshape(len(source), -1).astype(np.float32) / 255
        labels = np.asarray(arrays["label"])
        contenders["numpy"] = mlp_numpy.epoch(
            images, labels, mlp_numpy.initial_parameters(WIDTHS), BATCH, RATE
        )
        contenders |= _torch(images, labels)
    name = f"epoch of {len(source):,} digits, 784-30-10, batch {BATCH}"
    return [Case(name, len(source) // BATCH, "steps", contenders)]


def _ours(source: Any) -> Callable[[], None]:
    steps = len(source) // BATCH
    config = MlpConfig(WIDTHS)
    task = training.Task(*classify.functions(Mlp(config), config.cost))
    optimizer = training.make_optimizer(training.OptimizerConfig(rate=RATE), steps)
    batches = image_batches(source, BATCH, seed=0)
    mesh = parallel.make_mesh(parallel.ParallelConfig(devices=1))
    step = make_step(task, optimizer, batches, steps_per_call=steps)
    run = parallel.compile_step(step, mesh, "jit", batch_axis=1)
    shared = parallel.place((batches.arrays, {}), mesh)
    carried = parallel.place(initial_state(task, optimizer, jax.random.key(0)), mesh)
    rows = batches.stream(0)

    def turn() -> None:
        nonlocal carried
        stacked = np.stack([next(rows) for _ in range(steps)])
        carried, metrics = run(carried, stacked, shared)
        jax.block_until_ready((carried, metrics))

    return turn


def _torch(images: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], None]]:
    try:
        from experiments.benchmarks.peers import mlp_torch
    except ModuleNotFoundError:
        print(
            "PyTorch is not installed, so its twin is left out: "
            "pip install -e '.[peers]'",
            file=sys.stderr,
        )
        return {}
    return {
        f"torch_eager_{threads}_threads": mlp_torch.epoch(
            images, labels, WIDTHS, BATCH, RATE, threads
        )
        for threads in (1, 2)
    }
