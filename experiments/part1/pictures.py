"""The pictures of the trained network, and the range of its activations."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments.part1 import digits
from experiments.part1.digits import Images, Recipe, Trained
from nnguide.network.activations import relu, sigmoid
from nnguide.plots import curves, network_drawing, style
from nnguide.plots import digits as digit_pictures
from nnguide.plots.activation_functions import activation_functions
from nnguide.results import Caveat, Claim

REFERENCES = {
    "mnist5k": {"expected": 0.904},
    "mnist": {"Nielsen": 0.9542, "the guide": 0.96},
    "fashion_mnist": {"leaderboard": 0.8833},
}


def of_training(
    recipe: Recipe, trained: Trained, images: Images, workdir: Path, theme: style.Theme
) -> list[str]:
    """The network at work, accuracy over the epochs, confusion, mistakes."""
    test, names = digits.unit_images(images.test), images.test.label_names
    labels = images.test.arrays()["label"].astype(np.int32)
    outputs = digits.answers(trained, test)
    right = outputs.argmax(-1) == labels
    usual = recipe.network in (digits.GUIDE, digits.FASHION)
    best = int(right.mean(axis=1).argmax())
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, outputs[best].argmax(-1)), 1)
    # The first digit that all networks read right shows a typical answer.
    shown = int(right.all(axis=0).argmax())
    weights = [
        np.asarray(trained.params[f"layer_{number}"]["weight"][best])
        for number in range(1, len(trained.config.widths))
    ]
    hidden = digits.hidden_activations(trained, test[shown : shown + 1])
    activations = [a[best, 0] for a in hidden] + [outputs[best, shown]]
    pictures = {
        "network": network_drawing.network(
            theme, test[shown, ..., 0], weights, activations, names, int(labels[shown])
        ),
        "accuracy": curves.accuracy_fan(
            theme,
            trained.epochs,
            trained.accuracies,
            REFERENCES.get(recipe.data.dataset, {}) if usual else {},
        ),
        "confusion": digit_pictures.confusion(theme, confusion, names),
        "mistakes": digit_pictures.mistakes(
            theme, test[..., 0], labels, outputs[best], names
        ),
    }
    arrays = {
        "network": {f"a{number}": a for number, a in enumerate(activations, start=1)},
        "accuracy": {"epochs": trained.epochs, "accuracies": trained.accuracies},
        "confusion": {"counts": confusion},
        "mistakes": {"outputs": outputs[best], "labels": labels},
    }
    return [
        style.save(figure, workdir, name, **arrays[name])
        for name, figure in pictures.items()
    ]


def of_activations(
    squished: Trained,
    rectified: Trained,
    images: Images,
    workdir: Path,
    theme: style.Theme,
) -> tuple[list[Claim], list[str]]:
    """Do activations lie between 0 and 1? For a sigmoid network and for a ReLU one."""
    test = digits.unit_images(images.test)
    networks = {"sigmoid": squished, "ReLU": rectified}
    measured = {
        name: np.concatenate(
            [a.ravel() for a in digits.hidden_activations(trained, test)]
        )
        for name, trained in networks.items()
    }
    inside = {name: float(((a >= 0) & (a <= 1)).mean()) for name, a in measured.items()}
    z = np.linspace(-6, 6, 241, dtype=np.float32)
    functions = {
        name: np.asarray(function(jnp.asarray(z)))
        for name, function in (("sigmoid", sigmoid), ("ReLU", relu))
    }
    figure = activation_functions(theme, z, functions, measured)
    picture = style.save(figure, workdir, "activations", **measured)
    return _range_claims(inside, float(measured["ReLU"].max())), [picture]


def _range_claims(inside: dict[str, float], highest: float) -> list[Claim]:
    statement = "a neuron holds a number between 0 and 1"
    source = "3Blue1Brown, But what is a neural network?"
    unit = "of hidden activations"
    says = f"a ReLU has no upper end; here they reach {highest:.1f}"
    return [
        Claim(
            "1.activation_range",
            f"{statement} (sigmoid)",
            inside["sigmoid"],
            (1, 1),
            (1, 1),
            source,
            unit=unit,
        ),
        Claim(
            "1.activation_range_relu",
            f"{statement} (ReLU)",
            inside["ReLU"],
            (1, 1),
            (0.4, 0.999),
            source,
            unit=unit,
            caveat=Caveat((0, 1), says),
        ),
    ]
