"""Show the trained network random pixels: how sure is its answer?

Source: 3Blue1Brown, "Gradient descent, how neural networks learn": "it confidently
gives you some nonsense answer".
"""

from pathlib import Path

import numpy as np

from experiments.part1 import digits
from experiments.part1.digits import Images, Recipe, Trained
from nnguide.plots import noise as pictures
from nnguide.plots import style
from nnguide.results import Caveat, Claim

COUNT = 10_000  # noise images
SURE = 0.9  # an activation above it is a sure answer


def noise_images(like: np.ndarray, seed: int) -> np.ndarray:
    """Uniform noise in [0, 1], of the shape of the images given."""
    shape = (COUNT, *like.shape[1:])
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def study(
    recipe: Recipe, trained: Trained, images: Images, workdir: Path, theme: style.Theme
) -> tuple[list[Claim], list[str]]:
    """Measures how sure the networks are of noise, and draws it."""
    test = digits.unit_images(images.test)
    noise = noise_images(test, recipe.train.seed)
    on_noise, on_digits = (digits.answers(trained, each) for each in (noise, test))
    highest = {"noise": on_noise.max(-1), "digits": on_digits.max(-1)}
    # A typical answer: the image whose highest output is the first network's median.
    typical = int(np.argsort(highest["noise"][0])[COUNT // 2])
    figure = pictures.confident_on_noise(
        theme,
        noise[typical, ..., 0],
        on_noise[0, typical],
        images.test.label_names,
        highest["digits"].ravel(),
        highest["noise"].ravel(),
        SURE,
    )
    picture = style.save(
        figure,
        workdir,
        "confident_on_noise",
        highest_on_digits=highest["digits"],
        highest_on_noise=highest["noise"],
        image=noise[typical],
        outputs=on_noise[0, typical],
    )
    ratio = np.median(highest["noise"], axis=1) / np.median(highest["digits"], axis=1)
    favourite = [np.bincount(row).max() / COUNT for row in on_noise.argmax(-1)]
    return _claims(ratio, float(np.mean(favourite)), recipe), [picture]


def _claims(ratio: np.ndarray, favourite: float, recipe: Recipe) -> list[Claim]:
    scored = digits.is_the_guides(recipe)
    return [
        Claim(
            "1.confident_on_noise",
            "random pixels get an answer as sure as a digit's",
            float(ratio.mean()),
            (0.9, None),
            (0.45, 0.8),
            "3Blue1Brown, Gradient descent; his own network's median on noise is near "
            "0.9, a wider one of his has 0.19: it depends on the network",
            unit=f"of a digit's activation (medians, mean of {len(ratio)})",
            needs=digits.NEEDS,
            scored=scored,
            caveat=Caveat(
                (0.3, 0.9), "much surer than it should be, less than of digits"
            ),
        ),
        Claim(
            "1.one_answer_to_noise",
            "it is sure that noise is one certain digit",
            favourite,
            (0.5, 1.0),
            (0.4, 0.75),
            "3Blue1Brown, Gradient descent: a 5; his network says 5 to 62% of noise",
            unit="of noise gets the most frequent answer",
            needs=digits.NEEDS,
            scored=scored,
            caveat=Caveat(
                (0.3, 0.5), "true of some networks; the answer differs by seed"
            ),
        ),
    ]
