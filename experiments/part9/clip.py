"""Pictures and captions in one space, and what the difference of two pictures says.

Two towers learn from captioned scenes; 256 of the 630 people there are stay hidden
until the end. Then captions find their pictures, attributes are read off by prompts
alone, and (a person with a hat) - (the same one without) points to a word.

Source: 3Blue1Brown / Welch Labs, "But how do AI images and videos actually work?"
(cosine of that difference with "hat" .165, "cap" .113, in OpenAI's CLIP); Radford et
al., arXiv 2103.00020.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from experiments import study as shared
from experiments.part9.clip_space import (
    WORDS,
    Differences,
    Retrieval,
    Space,
    ZeroShot,
    differences,
    hidden_scenes,
    retrieve,
    zero_shots,
)
from experiments.part9.setting import Setting
from nnguide import training
from nnguide.array_types import Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.data import scenes
from nnguide.data.scene_shapes import ATTRIBUTES
from nnguide.data.scenes import SceneConfig
from nnguide.diffusion import clip, zero_shot
from nnguide.diffusion.clip import Clip, ClipConfig, ImageTower
from nnguide.diffusion.contrastive import LossName
from nnguide.parallel import ParallelConfig
from nnguide.plots import clip as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim
from nnguide.training import Fit, OptimizerConfig, Task
from nnguide.training.step import initial_state

DESERTS = 0.4  # of the pictures
SHOWN = 16  # pairs in the picture of similarities
MOMENTS = 24  # evaluations over a training
WARMUP = 20
ADAM = OptimizerConfig(name="adamw", rate=2e-3, schedule="cosine", warmup_steps=WARMUP)
ACCESSORIES = ATTRIBUTES["accessory"][1:]  # the first is none


@dataclasses.dataclass(frozen=True)
class Config:
    """How the two towers are trained.

    Attributes:
      steps: of training.
      batch: pairs in a step; each is compared with all.
      image_tower: what reads pictures.
      loss: softmax or sigmoid.
      incomplete: share of the captions of the training that say about half.
      pairs: people with a thing and without, for each thing.
    """

    steps: int = 1920
    batch: int = 128
    image_tower: ImageTower = "convolutional"
    loss: LossName = "softmax"
    incomplete: float = 0.5
    pairs: int = 256

    def __post_init__(self) -> None:
        shared.check("clip", self, batch=2, pairs=2)
        if self.steps < WARMUP or self.steps % MOMENTS:
            raise InputError(
                f"--clip.steps={self.steps}: give a multiple of {MOMENTS}, {WARMUP} or "
                "more."
            )
        if not 0 <= self.incomplete < 1:
            raise InputError(
                f"--clip.incomplete={self.incomplete}: give a share from 0 to below 1."
            )


def model(config: Config) -> ClipConfig:
    """The towers."""
    return ClipConfig(image_tower=config.image_tower, loss=config.loss)


def task(config: Config) -> Task:
    """CLIP's, whose evaluations also hold the cosines of the first pairs."""
    functions = clip.functions(model(config))
    module = Clip(model(config))

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        given = batch["image"][:SHOWN], batch["tokens"][:SHOWN]
        both: Any = module.apply({"params": params}, *given)
        cosines = both[0] @ both[1].T
        return {
            **functions.evaluate(params, batch, key),
            "cosines": (cosines, jnp.ones((), jnp.float32)),
        }

    return Task(functions.init, functions.loss, evaluate)


def learn(config: Config, setting: Setting) -> Fit:
    """Trains the towers in the sub-folder "clip", or reads them back."""
    every = config.steps // MOMENTS
    data = SceneConfig(deserts=DESERTS, incomplete=config.incomplete)
    return training.fit(
        task(config),
        training.make_optimizer(ADAM, config.steps),
        scenes.batches(data, config.batch, setting.seed, ~scenes.held_out()),
        training.Config(
            steps=config.steps,
            seed=setting.seed,
            log_every=every,
            evaluate_every=every,
            parallel=ParallelConfig(devices=1),
            convolutions=True,
        ),
        evaluation={
            "test": scenes.evaluation(hidden_scenes(setting.seed), scenes.HELD_OUT)
        },
        workdir=setting.workdir / "clip",
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains, asks, draws."""
    fit = learn(config, setting)
    space = Space(model(config), fit.state.params)
    found = retrieve(space, setting.seed)
    answers = zero_shots(space, setting.seed)
    changes = {
        name: differences(space, name, config.pairs, setting.seed)
        for name in ACCESSORIES
    }
    claims = _claims(config, found, answers, changes)
    steps, cosines = _cosines(config, setting, fit)
    return claims, _draw(setting, steps, cosines, found, answers, changes)


def _cosines(
    config: Config, setting: Setting, fit: Fit
) -> tuple[np.ndarray, Float[np.ndarray, "moments pairs pairs"]]:
    """Of the first hidden pairs, before training and over it."""
    key = jax.random.key(setting.seed)
    born = jax.jit(lambda key: initial_state(task(config), optax.identity(), key))
    newborn = born(key).params
    space, given = Space(model(config), newborn), hidden_scenes(setting.seed)
    seen, read = space.see(given.images[:SHOWN]), space.read(given.said[:SHOWN])
    steps, cosines = shared.curve(fit, "test/cosines")
    return np.append(0, steps), np.concatenate(
        [np.asarray(seen @ read.T)[None], cosines]
    )


def _first(places: np.ndarray) -> float:
    return float(zero_shot.recall(jnp.asarray(places), 1))


def _draw(
    setting: Setting,
    steps: np.ndarray,
    cosines: Float[np.ndarray, "moments pairs pairs"],
    found: Retrieval,
    answers: dict[str, ZeroShot],
    changes: dict[str, Differences],
) -> list[str]:
    theme, workdir, hat = setting.theme, setting.workdir, changes["hat"]
    moments = [0, 1, MOMENTS // 4, MOMENTS]
    order = np.argsort(-hat.cosines)[:8]
    ranked = [(WORDS[place], float(hat.cosines[place])) for place in order]
    control = float(hat.control_cosines[WORDS.index("hat")])
    of_captions = _first(found.caption)
    return [
        style.save(
            pictures.similarities(
                theme, steps[moments].tolist(), cosines[moments], of_captions,
                len(found.caption),
            ),
            workdir, "clip_similarities", steps=steps, cosines=cosines,
            places_of_captions=found.caption, places_of_pictures=found.picture,
        ),
        style.save(
            pictures.difference(
                theme, hat.images, hat.vectors, hat.word, "hat", ranked, control,
                _first(hat.places),
            ),
            workdir, "clip_difference", words=WORDS,
            **{f"cosines_{name}": each.cosines for name, each in changes.items()},
            **{f"places_{name}": each.places for name, each in changes.items()},
            control_cosines=hat.control_cosines, vectors=hat.vectors, word=hat.word,
        ),
        style.save(
            pictures.attributes(theme, answers, 0.95),
            workdir, "clip_zero_shot", names=list(answers),
            answers=np.array(list(answers.values())),
        ),
    ]  # fmt: skip


_GUIDE = "3Blue1Brown / Welch Labs: me with a hat - me without it"
_RADFORD = "Radford et al., arXiv 2103.00020"
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "retrieval",
        "a picture and its caption land at one place: each picture finds its caption "
        "among 256 new ones",
        (0.9, 1), (0.9, 1),
        _RADFORD + "; our scenes", "recall at 1",
    ),
    (
        "retrieval_of_pictures",
        "each of 256 new captions finds its picture",
        (0.9, 1), (0.9, 1),
        _RADFORD + "; our scenes", "recall at 1",
    ),
    (
        "zero_shot",
        "prompts read attributes off new pictures, with no classifier trained",
        (0.95, 1), (0.95, 1),
        _RADFORD + ", section 3.1; our scenes", "accuracy, the mean over attributes",
    ),
    (
        "ensemble",
        "the mean of many prompts reads better than one",
        (0, None), (-0.06, 0.01),  # one is right nearly always here: nothing to gain
        _RADFORD + ", section 3.1.4: +3.5 points on ImageNet", "gain of accuracy",
    ),
    (
        "hat",
        "(with a hat) - (without) points to the word hat before all other words",
        (0.95, 1), (0.95, 1),
        _GUIDE + ": hat first of 198 words", "share of pairs",
    ),
    (
        "hat_control",
        "the difference of two people without a hat does not point to it",
        (0, 0.1), (0, 0.1),
        "the control: 1 of 41 words by chance", "share of pairs",
    ),
    (
        "other_things",
        "the same goes for glasses, scarf, beard, umbrella and bag",
        (0.95, 1), (0.7, 1),
        _GUIDE, "share of pairs, the mean",
    ),
)  # fmt: skip


def _claims(
    config: Config,
    found: Retrieval,
    answers: dict[str, ZeroShot],
    changes: dict[str, Differences],
) -> list[Claim]:
    ensemble = np.mean([each.ensemble for each in answers.values()])
    single = np.mean([each.single for each in answers.values()])
    measured = {
        "retrieval": _first(found.caption),
        "retrieval_of_pictures": _first(found.picture),
        "zero_shot": ensemble,
        "ensemble": ensemble - single,
        "hat": _first(changes["hat"].places),
        "hat_control": _first(changes["hat"].control),
        "other_things": np.mean(
            [_first(changes[name].places) for name in ACCESSORIES if name != "hat"]
        ),
    }
    return [
        Claim(
            f"9.clip_{name}", statement, float(measured[name]), stated, expected,
            source, unit=unit, needs="the default steps", scored=config == Config(),
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip
