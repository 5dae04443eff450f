"""Look inside: what the hidden neurons' weights show, and where edges do appear.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn".
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from experiments.part1 import digits
from experiments.part1.digits import Images, Recipe, Trained
from experiments.plan import Plan
from nnguide import training
from nnguide.data.images import image_batches, image_evaluation
from nnguide.network import classify
from nnguide.network.convnet import Convnet, ConvnetConfig
from nnguide.network.hidden_weights import edge_fit, neighbour_autocorrelation
from nnguide.plots import style, weights
from nnguide.results import Caveat, Claim
from nnguide.training import OptimizerConfig

CONVNET_EPOCHS, CONVNET_BATCH = 4, 100


def convnet_plan(recipe: Recipe, images: Images) -> Plan:
    """The training of a small convnet on the same images."""
    an_epoch = max(1, len(images.train) // CONVNET_BATCH)
    steps = CONVNET_EPOCHS * an_epoch
    config = dataclasses.replace(
        recipe.train,
        steps=steps,
        steps_per_call=1,  # convolutions' gradients crawl inside a scan on CPU
        log_every=an_epoch,
        evaluate_every=0,
        save_every=0,
    )
    network = ConvnetConfig(classes=len(images.train.label_names))
    functions = classify.functions(Convnet(network), "cross_entropy", images.shape)
    optimizer = OptimizerConfig(name="adamw", rate=3e-3, schedule="cosine")
    return Plan(
        "convnet",
        training.Task(*functions),
        training.make_optimizer(optimizer, steps),
        image_batches(images.train, CONVNET_BATCH, config.seed, recipe.data.loader),
        config,
        {"test": image_evaluation(images.test, 250, recipe.data.loader)},
    )


def convnet_filters(recipe: Recipe, images: Images, workdir: Path) -> tuple[Any, float]:
    """Trains a small convnet on the same images.

    Returns:
      Its first layer's filters, (filters, 5, 5), and its test accuracy.
    """
    fit = convnet_plan(recipe, images).fit(workdir)
    kernel = np.asarray(fit.state.params["conv_1"]["kernel"])  # (5, 5, 1, filters)
    return kernel[:, :, 0].transpose(2, 0, 1), fit.history[-1]["test/accuracy"]


def study(
    recipe: Recipe, trained: Trained, images: Images, workdir: Path, theme: style.Theme
) -> tuple[list[Claim], list[str]]:
    """Measures how much of an edge there is in the weights, and draws them."""
    filters, accuracy = convnet_filters(recipe, images, workdir)
    first, last = (
        np.asarray(params["layer_1"]["weight"]).reshape(-1, *images.shape[:2])
        for params in (trained.initial, trained.params)
    )
    dead = (images.train.arrays()["image"].max(axis=0) == 0)[..., 0]
    lit = ~dead
    autocorrelation = {
        "initial": np.mean([neighbour_autocorrelation(w) for w in first]),
        "trained": np.mean([neighbour_autocorrelation(w) for w in last]),
        "masked": np.mean([neighbour_autocorrelation(w, lit) for w in last]),
    }
    control = np.random.default_rng(recipe.train.seed).normal(size=(2000, 5, 5))
    threshold = np.quantile(edge_fit(control), 0.95)
    # Compiled apart, the same random start may differ in its last bit.
    frozen = np.isclose(last, first, rtol=1e-6, atol=0).mean()
    neurons = trained.config.widths[1]  # those of the first seed are drawn
    figure = weights.hidden_weights(
        theme,
        first[:neurons],
        last[:neurons],
        dead,
        autocorrelation,
        filters,
    )
    picture = style.save(
        figure,
        workdir,
        "hidden_weights",
        initial=first,
        trained=last,
        dead=dead,
        filters=filters,
    )
    edges = float((edge_fit(last) > 0.5).mean())
    convnet_edges = float((edge_fit(filters) > threshold).mean())
    gain = accuracy - float(trained.accuracies[:, -1].mean())
    claims = [
        *_of_the_network(edges, 1 - float(frozen), float(lit.mean()), recipe),
        *_of_the_convnet(convnet_edges, gain, recipe),
    ]
    return claims, [picture]


def _of_the_network(
    edges: float, moved: float, lit: float, recipe: Recipe
) -> list[Claim]:
    hope = "3Blue1Brown, Gradient descent: hoped for, and retracted in the video"
    scored = digits.is_the_guides(recipe)
    return [
        Claim(
            "1.hidden_edges",
            "the first hidden layer picks up little edges",
            edges,
            (0.5, 1),
            (0, 0.2),
            hope,
            unit="of its neurons are half explained by a Gabor patch",
            needs=digits.NEEDS,
            scored=scored,
        ),
        Claim(
            "1.weights_all_learned",
            "the weight pictures show what was learned",
            moved,
            (1, 1),
            (lit - 0.005, lit + 0.005),
            "weights of pixels that no training digit lights have gradient 0: "
            f"{1 - lit:.1%} of the pixels",
            unit="of the weights ever moved",
            needs=digits.NEEDS,
            scored=scored,
            caveat=Caveat((0.5, 1), "the weights of never-lit pixels are still noise"),
        ),
    ]


def _of_the_convnet(edges: float, gain: float, recipe: Recipe) -> list[Claim]:
    scored = digits.is_the_guides(recipe)
    return [
        Claim(
            "1.convnet_edges",
            "a convnet's first layer does show edges",
            edges,
            (0.5, 1),
            (0.5, 1),
            "a Gabor patch explains more than in 95% of random 5x5 filters",
            unit="of its filters",
            needs=digits.NEEDS,
            scored=scored,
        ),
        Claim(
            "1.convnet_accuracy",
            "a convnet reads digits better",
            gain,
            (0, 1),
            (0.03, 0.08),
            "LeCun et al. 1998 for the kind of network; 4,000 digits here",
            unit="more test accuracy",
            needs=digits.NEEDS,
            scored=scored,
        ),
    ]
