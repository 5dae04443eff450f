"""The judge of samples: a small classifier of the same images, trained here.

Its features are what distances between sets of images are taken in, so its accuracy
and a hash of its weights belong beside every such distance.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.plan import Plan
from nnguide import training
from nnguide.data.batches import Batches
from nnguide.data.images import image_batches, image_evaluation
from nnguide.data.sources import ImageSource
from nnguide.network import classify
from nnguide.network.convnet import Convnet, ConvnetConfig
from nnguide.parallel import ParallelConfig
from nnguide.training import OptimizerConfig, Task

BATCH, SHIFT = 100, 2  # images a step; pixels that an image moves by, at most
ADAM = OptimizerConfig(name="adamw", rate=3e-3, schedule="cosine", weight_decay=0.01)
_AT_ONCE = 250


class Judge(NamedTuple):
    """A classifier and what is known of it.

    Attributes:
      look: images (B, ...) in [0, 1] -> features (B, D), logits (B, classes).
      accuracy: on the test split.
      digest: first 8 hex digits of the SHA-256 of its weights.
    """

    look: Callable[[Any], tuple[Any, Any]]
    accuracy: float
    digest: str

    def __call__(
        self, images: Float[np.ndarray, "N height width channels"]
    ) -> tuple[Float[np.ndarray, "N D"], Float[np.ndarray, "N classes"]]:
        """The features and logits of any number of images, some at a time."""
        found = [
            self.look(images[start : start + _AT_ONCE])
            for start in range(0, len(images), _AT_ONCE)
        ]
        features, logits = (np.concatenate(each) for each in zip(*found, strict=True))
        return features, logits


def plan(
    train: ImageSource, test: ImageSource, steps: int, seed: int,
    parallel: ParallelConfig,
) -> Plan:  # fmt: skip
    """The training of the judge."""
    shape = train.arrays()["image"].shape[1:]
    return Plan(
        "judge",
        Task(*classify.functions(_module(train), "cross_entropy", shape)),
        training.make_optimizer(ADAM, steps),
        _shifted(image_batches(train, BATCH, seed)),
        training.Config(steps=steps, seed=seed, convolutions=True, parallel=parallel),
        {"test": image_evaluation(test, _AT_ONCE)},
    )


def _module(train: ImageSource) -> Convnet:
    return Convnet(ConvnetConfig(classes=len(train.label_names)))


def train_judge(
    train: ImageSource, test: ImageSource, steps: int, seed: int, workdir: Path,
    parallel: ParallelConfig,
) -> Judge:  # fmt: skip
    """Trains the judge in the sub-folder "judge", or reads it from there."""
    module = _module(train)
    fit = plan(train, test, steps, seed, parallel).fit(workdir)
    params = fit.state.params

    @jax.jit
    def look(images: Any) -> tuple[Any, Any]:
        features = module.apply({"params": params}, images, method="features")
        return features, module.apply({"params": params}, images)

    return Judge(look, fit.history[-1]["test/accuracy"], _digest(params))


def _shifted(batches: Batches) -> Batches:
    """The same batches, each image moved by up to `SHIFT` pixels either way."""

    def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Any]:
        batch = batches.assemble(arrays, rows, key)
        images = jnp.asarray(batch["image"])
        rim = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
        corners = jax.random.randint(key, (len(images), 2), 0, 2 * SHIFT + 1, jnp.int32)

        def cut(padded: Any, corner: Any) -> Any:
            start = (corner[0], corner[1], jnp.zeros_like(corner[0]))
            return jax.lax.dynamic_slice(padded, start, images.shape[1:])

        return {**batch, "image": jax.vmap(cut)(jnp.pad(images, rim), corners)}

    return Batches(batches.stream, assemble, batches.arrays)


def _digest(params: Any) -> str:
    total = hashlib.sha256()
    for _, leaf in jax.tree_util.tree_leaves_with_path(params):  # sorted by name
        total.update(np.ascontiguousarray(leaf).tobytes())
    return total.hexdigest()[:8]
