"""Train the guide's network on digits and look at it: how well, how sure, what inside.

Source: 3Blue1Brown, "But what is a neural network?" and "Gradient descent, how neural
networks learn"; Nielsen, "Neural Networks and Deep Learning", chap. 1.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.plan import Plan
from nnguide import training
from nnguide.data.images import ImageConfig, image_batches, image_evaluation
from nnguide.data.sources import ImageSource
from nnguide.network import classify
from nnguide.network.mlp import (
    Mlp,
    MlpConfig,
    initial_params,
    matrix_form,
    neuron_by_neuron,
    parameter_count,
)
from nnguide.results import Band, Caveat, Claim
from nnguide.training import Fit, OptimizerConfig
from nnguide.training.step import initial_state

GUIDE = MlpConfig()  # 784-16-16-10, sigmoid, squared error
FASHION = MlpConfig((784, 256, 128, 100, 10), "relu", "cross_entropy")


class Images(NamedTuple):
    """The two splits of an image set."""

    train: ImageSource
    test: ImageSource

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels of one image."""
        return self.train.arrays()["image"].shape[1:]


class Trained(NamedTuple):
    """Networks trained at once from several seeds.

    Attributes:
      config: of each network.
      params: with a leading axis of seeds.
      initial: the same before training.
      epochs: at which the accuracies were measured.
      accuracies: on the test split, (seeds, epochs).
    """

    config: MlpConfig
    params: Any
    initial: Any
    epochs: np.ndarray
    accuracies: np.ndarray


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is trained; the launcher's config holds these fields."""

    data: ImageConfig
    network: MlpConfig
    optimizer: OptimizerConfig
    train: training.Config
    seeds: int
    batch_size: int


def is_the_guides(recipe: Recipe) -> bool:
    """Whether the recipe is the one that most bands were measured for."""
    epochs = recipe.train.steps * recipe.batch_size / 4000
    return (
        recipe.data.dataset == "mnist5k"
        and recipe.network == GUIDE
        and recipe.optimizer == OptimizerConfig(rate=1.5)
        and epochs >= 30
    )


NEEDS = "the guide's network on mnist5k, rate 1.5, 30 epochs: the bands are for it"


def plan(recipe: Recipe, images: Images, name: str, judged_on: str = "test") -> Plan:
    """The training of the networks, one for every seed at once.

    Args:
      recipe: what and how.
      images: the second split judges at every evaluation.
      name: of its sub-folder.
      judged_on: what the second split is called in metrics.jsonl.
    """
    functions = classify.functions(
        Mlp(recipe.network), recipe.network.cost, images.shape
    )
    optimizer = training.make_optimizer(recipe.optimizer, recipe.train.steps)
    loader, seed = recipe.data.loader, recipe.train.seed
    return Plan(
        name,
        *training.over_seeds(training.Task(*functions), optimizer, recipe.seeds),
        image_batches(images.train, recipe.batch_size, seed, loader),
        recipe.train,
        {judged_on: image_evaluation(images.test, 1000, loader)},
    )


def train(
    recipe: Recipe, images: Images, workdir: Path, name: str, judged_on: str = "test"
) -> Trained:
    """Trains the networks, or reads them back; other arguments as in `plan`.

    Args:
      recipe: what and how.
      images: both splits.
      workdir: of the run.
      name: of its sub-folder.
      judged_on: what the second split is called.
    """
    planned = plan(recipe, images, name, judged_on)
    fit = planned.fit(workdir)
    key = jax.random.key(recipe.train.seed)
    initial = initial_state(planned.task, planned.optimizer, key)
    epochs_a_step = recipe.batch_size / len(images.train)
    epochs, accuracies = curves(fit, f"{judged_on}/accuracy", epochs_a_step)
    return Trained(recipe.network, fit.state.params, initial.params, epochs, accuracies)


def curves(fit: Fit, name: str, epochs_a_step: float) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, and a metric (seeds, epochs), of the rows that have it."""
    rows = [row for row in fit.history if name in row]
    epochs = np.array([row["step"] * epochs_a_step for row in rows])
    return epochs, np.array([row[name] for row in rows]).T


def hidden_activations(trained: Trained, images: np.ndarray) -> list[np.ndarray]:
    """Of images in [0, 1]: for each hidden layer (seeds, images, neurons)."""

    def hidden(params: Any, images: Any) -> Any:
        layers = Mlp(trained.config).apply(
            {"params": params}, images, method="every_layer"
        )
        return layers.a[1:-1]  # pyright: ignore[reportAttributeAccessIssue] (Linen)

    every = jax.jit(jax.vmap(hidden, in_axes=(0, None)))(trained.params, images)
    return [np.asarray(a) for a in every]


def answers(trained: Trained, images: np.ndarray) -> np.ndarray:
    """Outputs in [0, 1], (seeds, images, classes): activations, or a softmax."""

    def single(params: Any, images: Any) -> Any:
        outputs = jnp.asarray(Mlp(trained.config).apply({"params": params}, images))
        logits = trained.config.cost == "cross_entropy"
        return jax.nn.softmax(outputs, axis=-1) if logits else outputs

    return np.asarray(
        jax.jit(jax.vmap(single, in_axes=(0, None)))(trained.params, images)
    )


def unit_images(source: ImageSource) -> np.ndarray:
    """All images of a split in [0, 1], (images, height, width, channels)."""
    return source.arrays()["image"].astype(np.float32) / 255


def three_forms_gap(config: MlpConfig, images: jax.Array) -> float:
    """Largest difference of neuron by neuron, matrix form and Linen module.

    Relative to the largest output, where that is above 1.
    """
    params = nn.unbox(initial_params(config, jax.random.key(0)))
    linen: Any = Mlp(config).apply({"params": params}, images)
    scale = jnp.maximum(1.0, jnp.abs(linen).max())
    gaps = [
        jnp.abs(form(config, params, image) - output).max() / scale
        for form in (neuron_by_neuron, matrix_form)
        for image, output in zip(images, linen, strict=True)
    ]
    return float(max(gaps))


def structure_claims(config: MlpConfig, images: np.ndarray) -> list[Claim]:
    """The counting and the three ways to write the network down."""
    return [
        Claim(
            "1.parameter_count",
            "784-16-16-10 has 13,002 weights and biases",
            parameter_count(GUIDE),
            (13_002, 13_002),
            (13_002, 13_002),
            "3Blue1Brown, But what is a neural network?; 784*16+16+16*16+16+16*10+10",
        ),
        Claim(
            "1.three_forms",
            "neuron by neuron, a' = s(Wa + b) and the Linen module are one function",
            three_forms_gap(config, jnp.asarray(images[:4])),
            (0, 1e-6),
            (0, 1e-6),
            "the same sums in another order, float32",
            unit="largest difference",
        ),
    ]


def accuracy_claim(recipe: Recipe, trained: Trained) -> Claim:
    """Test accuracy after training, mean over the seeds, for what we have bands for."""
    final = trained.accuracies[:, -1]
    caveat = None
    if recipe.data.dataset == "fashion_mnist":
        identity = "1.fashion_accuracy"
        statement = "784-256-128-100-10 ReLU reads clothes at 88.33% (leaderboard)"
        stated: Band = (0.8833, 1)
        expected: Band = (0.893, 0.91)
        source = "Fashion-MNIST's own leaderboard; plain Adam gave 0.898 here"
        needs = "784-256-128-100-10 ReLU, 3 seeds, 10 epochs"
        epochs = float(trained.epochs[-1])
        scored = recipe.network == FASHION and recipe.seeds >= 3 and epochs >= 10
    else:
        identity = f"1.accuracy_batch_{recipe.batch_size}"
        statement = (
            f"the network reads about 96% of new digits (batch {recipe.batch_size})"
        )
        stated, expected = (0.95, 1), (0.894, 0.914)
        caveat = Caveat(
            (0.85, 0.95), "it takes the 60,000 digits of MNIST; 4,000 give about 90%"
        )
        source = "3Blue1Brown, Gradient descent; Nielsen chap. 1: 95.42% (784-30-10)"
        needs, scored = NEEDS, is_the_guides(recipe)
    spread = f"{final.min():.4f} to {final.max():.4f}, sd {final.std():.4f}"
    return Claim(
        identity,
        statement,
        float(final.mean()),
        stated,
        expected,
        source,
        unit=f"mean of {len(final)} networks ({spread})",
        caveat=caveat,
        needs=needs,
        scored=scored,
    )
