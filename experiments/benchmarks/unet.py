"""A training step of a U-Net with 1,083,300 parameters: 64 digits, padded to 32 x 32.

Ours is the loop's own step. PyTorch's twin runs eagerly, as modules lie in memory by
default and with the channels last.
"""

import sys
from collections.abc import Callable
from types import ModuleType

import jax
import numpy as np

from experiments.benchmark import Case
from experiments.part9.digits_network import signed
from nnguide import parallel, training
from nnguide.array_types import Array, Batch
from nnguide.cpp.choice import chosen
from nnguide.data.batches import Batches, RowStream
from nnguide.diffusion import learning
from nnguide.diffusion.convolution_kernels.winograd import KERNEL
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.unet import Unet, UnetConfig
from nnguide.target import convolution_options
from nnguide.training.step import initial_state, make_step

NETWORK = UnetConfig(blocks=2, classes=11)
SHAPE = (32, 32, 1)
NOTHING = np.int32(10)
NOISE = NoiseConfig("edm", sigma_max=20.0)
TARGET = DenoisingConfig("edm", "edm")
OPTIMIZER = training.OptimizerConfig("adamw", rate=2e-3)
BATCH, STEPS, THREADS = 64, 2, 2
DIGITS, DROPPED = 5000, 0.1


def cases(peers: bool) -> list[Case]:
    """Two steps in JAX, and if asked for in PyTorch's two layouts."""
    # What the pixels are does not matter to the time, only that they lie in memory.
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (DIGITS, 28, 28), np.uint8)
    labels = random.integers(0, 10, DIGITS, np.int32)
    contenders: dict[str, Callable[[], float | None]] = {
        "nnguide": _ours(images, labels)
    }
    torch = peer() if peers else None
    if torch:
        for mode in ("eager", "channels_last"):
            turn = torch.training(
                images, labels, torch.Shape(), mode, THREADS, BATCH, STEPS
            )
            contenders[f"torch_{mode}"] = quiet(turn)
    kernel = chosen(KERNEL, NETWORK.kernel)
    name = f"{STEPS} steps of a U-Net ({kernel}), {BATCH} x 32 x 32"
    return [Case(name, STEPS * BATCH, "images", contenders)]


def _ours(images: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    def image(batch: Batch) -> Array:
        return signed(batch["image"])

    examples = learning.Examples(image, lambda batch: batch["label"], NOTHING, DROPPED)
    module = Unet(NETWORK)
    task = training.Task(*learning.functions(module, SHAPE, TARGET, NOISE, examples))
    optimizer = training.make_optimizer(OPTIMIZER, STEPS)
    random = np.random.default_rng(1)

    def assemble(arrays: Batch, rows: Array, key: Array) -> Batch:
        padded = jax.numpy.pad(arrays["image"][rows], ((0, 0), (2, 2), (2, 2)))
        return {"image": padded[..., None], "label": arrays["label"][rows]}

    batches = Batches(
        RowStream(lambda step: random.integers(0, DIGITS, BATCH, np.int32)),
        assemble,
        {"image": images, "label": labels},
    )
    mesh = parallel.make_mesh(parallel.ParallelConfig(devices=1))
    step = make_step(task, optimizer, batches)
    run = parallel.compile_step(step, mesh, "jit", options=convolution_options())
    shared = parallel.place((batches.arrays, {}), mesh)
    carried = parallel.place(initial_state(task, optimizer, jax.random.key(0)), mesh)
    rows = batches.stream(0)

    def turn() -> None:
        nonlocal carried
        metrics = None
        for _ in range(STEPS):
            carried, metrics = run(carried, next(rows), shared)
        jax.block_until_ready((carried, metrics))

    return turn


def peer() -> ModuleType | None:
    """PyTorch's twin, or None and a word about it."""
    try:
        from experiments.benchmarks.peers import unet_torch
    except ModuleNotFoundError:
        print(
            "PyTorch is not installed, so its twin is left out: "
            "pip install -e '.[peers]'",
            file=sys.stderr,
        )
        return None
    return unet_torch


def quiet(turn: Callable[[], object]) -> Callable[[], None]:
    """A turn that returns nothing: a number would be taken for its seconds."""

    def run() -> None:
        turn()

    return run
