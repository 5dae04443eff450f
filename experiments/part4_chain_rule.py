"""Part 4, "Backpropagation calculus": the chain rule, checked three ways.

One neuron a layer first, every factor by hand; then all 13,002 derivatives of the
guide's network by hand, by autodiff and by nudging each parameter; and what each way
costs. Nothing is trained here.
"""

import dataclasses
import time
from collections.abc import Iterable

from experiments import launcher
from experiments.part4 import one_neuron, price, three_ways
from experiments.part4.setting import set_up
from experiments.plan import Plan
from nnguide.config import InputError, run_only, seed_field, ungrouped
from nnguide.data.images import ImageConfig, identity, load_images
from nnguide.network.mlp import MlpConfig, check_fits
from nnguide.plots import style
from nnguide.results import Results

NAME = "part4_chain_rule"


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 4's choices.

    Attributes:
      data: which images.
      network: whose gradient is checked, with its random first parameters.
      examples: how many images the cost is the mean of.
      seed: of the random parameters.
      chunk: parameters nudged at once; 16 networks fit a CPU's cache, an accelerator
        wants thousands.
    """

    data: ImageConfig = ungrouped(ImageConfig())
    network: MlpConfig = MlpConfig()
    examples: int = 10
    seed: int = seed_field("seed")
    chunk: int = run_only(16)

    def __post_init__(self) -> None:
        for name in ("examples", "chunk"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give 1 or more.")


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """Nothing is trained."""
    del config
    return {"": ()}


def run(config: Config) -> Results:
    """Checks the gradient, measures its price, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    source = load_images(config.data, "train")
    pixels, classes = source[0]["image"].size, len(source.label_names)
    check_fits(config.network, pixels, classes)
    workdir = launcher.open_workdir(NAME, config, identity(train=source))
    setting = set_up(
        config.network, source, config.examples, config.seed, workdir,
        config.figures.theme,
    )  # fmt: skip
    parts = [
        one_neuron.study(setting),
        three_ways.study(setting, config.chunk),
        price.study(setting, config.chunk),
    ]
    claims = [claim for part in parts for claim in part[0]]
    figures = [figure for part in parts for figure in part[1]]
    return launcher.finish(NAME, config, workdir, claims, figures, started)


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
