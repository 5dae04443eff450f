"""Shuffle the labels: can the network learn what there is nothing to learn about?

A ReLU network of 784-256-10 fits 2,000 digits with their true labels, with random
labels, and with their pixels shuffled. Test accuracy is chance for random labels, and
yet every training label is learned, some times slower.

Source: Zhang et al., arXiv 1611.03530; Arpit et al., arXiv 1706.05394; both in
3Blue1Brown, "Gradient descent, how neural networks learn".
"""

import dataclasses
from pathlib import Path

import numpy as np

from experiments.part1 import digits
from experiments.part1.digits import Images, Recipe, Trained
from nnguide.data.sources import ArraySource, ImageSource
from nnguide.network.mlp import MlpConfig
from nnguide.plots import curves, style
from nnguide.results import Claim
from nnguide.training import OptimizerConfig

SIZE, BATCH, SEEDS = 2000, 100, 3
EPOCHS = {"random labels": 80}  # the others are done much sooner
FEWER_EPOCHS = 30
FITTED = 0.99  # share of the training labels that counts as learned
HIDDEN = 256  # neurons of the one hidden layer, ReLU
ADAM = OptimizerConfig(name="adamw", rate=1e-3)


def variants(source: ImageSource, seed: int) -> dict[str, ArraySource]:
    """The first 2,000 images as they are, and disturbed in three ways.

    The random labels are drawn once and stay; drawing them anew each epoch would leave
    nothing to learn.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(source))[:SIZE]
    arrays = source.take(chosen)
    images, labels = arrays["image"], arrays["label"]
    flat = images.reshape(len(images), -1)
    order = generator.permutation(flat.shape[1])
    each = generator.permuted(flat, axis=1)
    names = source.label_names

    def variant(images: np.ndarray, labels: np.ndarray, origin: str) -> ArraySource:
        return ArraySource(images, labels, names, f"{source.origin}, {origin}")

    return {
        "true labels": variant(images, labels, "as they are"),
        "random labels": variant(
            images,
            generator.integers(0, len(names), len(labels)).astype(labels.dtype),
            "random labels",
        ),
        "one pixel shuffle": variant(
            flat[:, order].reshape(images.shape), labels, "pixels shuffled alike"
        ),
        "a shuffle an image": variant(
            each.reshape(images.shape), labels, "pixels of each image shuffled"
        ),
    }


def recipes(
    recipe: Recipe, images: Images
) -> dict[str, tuple[Recipe, Images, str, str]]:
    """Variant -> what trains it, as `digits.plan` takes it.

    Each is judged at every epoch on the images and labels that it trains on.
    """
    return {
        name: (
            _recipe(recipe, images, EPOCHS.get(name, FEWER_EPOCHS)),
            Images(source, source),
            name.replace(" ", "_"),
            "train",
        )
        for name, source in variants(images.train, recipe.train.seed).items()
    }


def study(
    recipe: Recipe, images: Images, workdir: Path, theme: style.Theme
) -> tuple[list[Claim], list[str], Trained]:
    """Trains on every variant, counts the epochs, draws the curves.

    Returns:
      The claims, the pictures, and the networks trained on true labels.
    """
    accuracy, on_test, trained = {}, {}, {}
    for name, (own, both, folder, judged_on) in recipes(recipe, images).items():
        trained[name] = digits.train(own, both, workdir, folder, judged_on)
        accuracy[name] = trained[name].accuracies
        outputs = digits.answers(trained[name], digits.unit_images(images.test))
        right = outputs.argmax(-1) == images.test.arrays()["label"]
        on_test[name] = right.mean()
    epochs = {name: epochs_to(FITTED, each) for name, each in accuracy.items()}
    ratio = epochs["random labels"] / epochs["true labels"]
    figure = curves.label_fitting(
        theme, {name: each.mean(0) for name, each in accuracy.items()}, FITTED
    )
    picture = style.save(
        figure,
        workdir,
        "random_labels",
        **{name.replace(" ", "_"): each for name, each in accuracy.items()},
    )
    scored = recipe.data.dataset == "mnist5k"
    claims = _claims(epochs["random labels"], ratio, on_test["random labels"], scored)
    return claims, [picture], trained["true labels"]


def _recipe(recipe: Recipe, images: Images, epochs: int) -> Recipe:
    """This study's own network and optimizer; seed and devices as in the recipe."""
    size = min(SIZE, len(images.train))
    batch = min(BATCH, size)
    steps = size // batch
    train = dataclasses.replace(
        recipe.train,
        steps=epochs * steps,
        steps_per_call=steps,
        log_every=steps,
        evaluate_every=steps,
        save_every=0,
    )
    widths = (int(np.prod(images.shape)), HIDDEN, len(images.train.label_names))
    network = MlpConfig(widths, "relu", "cross_entropy")
    return Recipe(recipe.data, network, ADAM, train, min(recipe.seeds, SEEDS), batch)


def epochs_to(share: float, accuracies: np.ndarray) -> float:
    """Epochs until the mean over seeds reaches a share; infinite if it never does."""
    reached = np.flatnonzero(accuracies.mean(0) >= share)
    return float(reached[0] + 1) if len(reached) else float("inf")


def _claims(epochs: float, ratio: float, on_test: float, scored: bool) -> list[Claim]:
    needs = "mnist5k, which the bands were measured on"
    source = "Zhang et al. 2017, table 1 and section 2; 53 epochs and 4.4x measured"
    return [
        Claim(
            "1.random_labels_fit",
            "a network can memorise labels that mean nothing",
            epochs,
            (1, EPOCHS["random labels"]),
            (35, EPOCHS["random labels"]),
            source,
            unit="epochs to 99% of 2,000 random labels",
            needs=needs,
            scored=scored,
        ),
        Claim(
            "1.random_labels_slower",
            "but it learns them more slowly than true ones",
            ratio,
            (1.5, 100),
            (3, 7),
            source,
            unit="times the epochs of true labels",
            needs=needs,
            scored=scored,
        ),
        Claim(
            "1.random_labels_useless",
            "and knows nothing about new digits then",
            float(on_test),
            (0, 0.2),
            (0.07, 0.14),
            source,
            unit="test accuracy",
            needs=needs,
            scored=scored,
        ),
    ]
