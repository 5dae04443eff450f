"""Three small models, each trained for five steps in every layout of eight devices.

README's table of largest differences is what this prints:

    PYTHONPATH=.:tests/training python -u tests/parallel/layouts.py [MODEL...]
"""

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import toy
from jax.sharding import Mesh

from nnguide import training
from nnguide.data.batches import Batches, shuffled
from nnguide.data.text import text_batches
from nnguide.diffusion import learning
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.unet import Unet, UnetConfig
from nnguide.language import next_token
from nnguide.network import classify
from nnguide.network.mlp import Mlp, MlpConfig
from nnguide.parallel import ParallelConfig
from nnguide.transformer.config import Execution, TransformerConfig

STEPS = 5
GPT = TransformerConfig(
    vocabulary=16, context=8, layers=2, embedding=16, heads=8, dropout=0.0,
    biases=False,  # a key's bias has gradient 0 but for rounding, which Adam blows up
)  # fmt: skip
TEXT = np.random.default_rng(0).integers(0, 16, 500).astype(np.uint16)
UNET = UnetConfig(
    size=4, patch=1, width=16, multiples=(1,), attention=(), head_width=2, classes=5
)
IMAGES = np.random.default_rng(1).integers(0, 256, (64, 4, 4)).astype(np.uint8)
LABELS = np.arange(64, dtype=np.int32) % 4


ADAM = training.OptimizerConfig(
    "adamw", 1e-2, weight_decay=0.1, clip=1.0, average_decay=0.9
)
# Adam divides by the size of a gradient: where a U-Net's many are next to 0 it would
# compare their rounding.
MOMENTUM = training.OptimizerConfig("momentum", 0.1, clip=1.0, average_decay=0.9)


def fit(
    task: Any,
    batches: Any,
    optimizer: training.OptimizerConfig,
    parallel: ParallelConfig,
    *,
    workdir: Path | None = None,
    mesh: Mesh | None = None,
    **changes: Any,
) -> training.Fit:
    """Trains and evaluates two batches.

    Compiled without most optimizations, in a third of the time: the partitioner, which
    is what layouts put to the test, works all the same.
    """
    settings = {"steps": STEPS, "log_every": 1, "progress": False, **changes}
    ended = batches._replace(
        stream=lambda first: itertools.islice(batches.stream(0), 2)
    )
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        return training.fit(
            task,
            training.make_optimizer(optimizer, STEPS),
            batches,
            training.Config(**settings, parallel=parallel),
            evaluation={"same": ended},
            workdir=workdir,
            mesh=mesh,
        )
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def mlp(parallel: ParallelConfig, **changes: Any) -> training.Fit:
    """Digits of 16 pixels by 16-24-8."""
    module = Mlp(MlpConfig((16, 24, 8)))
    task = training.Task(*classify.functions(module, "squared_error", (4, 4)))
    return fit(task, _images(), ADAM, parallel, **changes)


def gpt(
    parallel: ParallelConfig, layers: Any = "auto", remat: Any = "none", **changes: Any
) -> training.Fit:
    """The next of 16 tokens by two blocks."""
    task = training.Task(*next_token.functions(GPT, Execution("auto", layers, remat)))
    batches = text_batches(TEXT, 16, GPT.context, seed=0)
    return fit(task, batches, ADAM, parallel, **changes)


def unet(parallel: ParallelConfig, **changes: Any) -> training.Fit:
    """Images of 4 x 4 without their noise, of a class that is told or not."""
    return fit(unet_task(), _images(), MOMENTUM, parallel, **changes)


def unet_task() -> training.Task:
    """What it learns, its parameters awake."""
    examples = learning.Examples(
        lambda batch: batch["image"][..., None] * 2 - 1,
        lambda batch: batch["label"],
        np.int32(4),
        dropped=0.2,
    )
    functions = learning.functions(
        Unet(UNET), (4, 4, 1), DenoisingConfig(), NoiseConfig(), examples
    )
    task = training.Task(*functions)
    return task._replace(init=lambda key: awake(functions.init, key))


def images_of(size: int) -> dict[str, Any]:
    """A batch of images as the step hands it to a loss."""
    rows = np.arange(size)
    return {
        "image": IMAGES[rows] / np.float32(255),
        "label": LABELS[rows],
        "weight": np.ones(size, np.float32),
        "example": rows,
    }


def awake(init: Callable[[Any], Any], key: Any) -> Any:
    """Parameters of which none is 0: a U-Net is silent at birth, so that at first
    nothing would depend on most of them."""
    leaves, structure = jax.tree.flatten(init(key))
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten(
        leaf + 0.1 * jax.random.normal(each, leaf.shape)
        for leaf, each in zip(leaves, keys, strict=True)
    )


def _images() -> Batches:
    def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Any]:
        return {"image": arrays[0][rows] / 255.0, "label": arrays[1][rows]}

    return Batches(shuffled(64, 16, 0), assemble, (IMAGES, LABELS))


def loss_gap(one: training.Fit, other: training.Fit) -> float:
    """The largest difference of a loss, of training and of evaluation."""
    pairs = zip(one.history[-1].items(), other.history[-1].items(), strict=True)
    return max(abs(a - b) for (_, a), (_, b) in pairs)


MESHES = (
    "data:8", "fsdp:8", "tensor:8",
    "data:4,fsdp:2", "data:2,tensor:4", "fsdp:4,tensor:2", "data:2,fsdp:2,tensor:2",
)  # fmt: skip
ALL_AXES = ParallelConfig(mesh=MESHES[-1])
MODELS: Mapping[str, Callable[..., Any]] = {"MLP": mlp, "GPT": gpt, "U-Net": unet}


def ways(model: Callable[..., Any]) -> dict[str, Callable[[], Any]]:
    """Name -> the fit of a model in one layout."""
    found = {
        **{mesh: (ParallelConfig(mesh=mesh), {}) for mesh in MESHES},
        "data:8 by shard_map": (ParallelConfig("shard_map"), {}),
        "data:8 by pmap": (ParallelConfig("pmap"), {}),
        "two microbatches, data:2,fsdp:2,tensor:2": (ALL_AXES, {"accumulation": 2}),
        **{
            f"two microbatches, data:8 by {mode}": (
                ParallelConfig(mode), {"accumulation": 2},
            )
            for mode in ("shard_map", "pmap")
        },
    }  # fmt: skip
    if model is gpt:
        found["scanned layers, everything computed anew, data:2,fsdp:2,tensor:2"] = (
            ALL_AXES,
            {"layers": "scan", "remat": "everything"},
        )
    return {
        name: lambda parallel=parallel, changes=changes: model(parallel, **changes)
        for name, (parallel, changes) in found.items()
    }


def _print_table(models: Sequence[str]) -> None:
    rows: dict[str, dict[str, str]] = {}
    for name in models:
        one = MODELS[name](ParallelConfig(devices=1))
        for way, run in ways(MODELS[name]).items():
            other = run()
            largest = toy.gap(one.state.params, other.state.params)
            rows.setdefault(way, {})[name] = f"{largest:.1e}"
            print(f"{name}, {way}: {largest:.1e}, loss {loss_gap(one, other):.1e}")
    print("\n| layout |", " | ".join(models), "|\n|---|" + "---|" * len(models))
    for way, cells in rows.items():
        print(f"| {way} |", " | ".join(cells.get(name, "") for name in models), "|")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 8)
    jax.config.update("jax_platforms", "cpu")
    _print_table(sys.argv[1:] or list(MODELS))
