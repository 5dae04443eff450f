"""Pictures from captions: "a tree in a desert", with guidance and without.

A U-Net learns to denoise scenes and is told their captions, most of them incomplete,
by CLIP's text tower. Then it draws "a tree in a desert", following the caption ever
further; a decoder that knows every scene there is tells whether there is a tree, and
CLIP is asked too.

Source: 3Blue1Brown / Welch Labs, "But how do AI images and videos actually work?" (the
tree that is missing without guidance: "a shadow in a desert"); Ho and Salimans, arXiv
2207.12598.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.part9 import clip
from experiments.part9.clip_space import Space, prompts
from experiments.part9.scenes_network import (
    Recipe,
    Text,
    Trained,
    described,
    draw,
    learn,
)
from experiments.part9.setting import Setting
from experiments.plan import Plan
from experiments.study import check
from nnguide.config import InputError, ungrouped
from nnguide.data.scene_decoder import Decoded, decode
from nnguide.data.scene_shapes import ATTRIBUTES, COLUMN, DESERT, SIZE
from nnguide.data.scenes import SceneConfig
from nnguide.diffusion import zero_shot
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.plots import scenes as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim

PROMPT = "a tree in a desert"
TREE = ATTRIBUTES["thing"].index("tree")
FAITHFUL = 3.0  # the alpha that is compared with 0
SHOWN = 8  # samples of each alpha in the picture


@dataclasses.dataclass(frozen=True)
class Config:
    """How scenes are learned and drawn.

    Attributes:
      data: the scenes and their captions.
      recipe: the network and its training.
      alphas: of guidance, ascending; 0 and 3 are among them.
      samples: pictures drawn at each alpha.
      sampler: that draws them.
    """

    data: SceneConfig = ungrouped(SceneConfig(incomplete=0.8))
    recipe: Recipe = ungrouped(Recipe())
    alphas: tuple[float, ...] = (0.0, 1.0, 3.0, 10.0)
    samples: int = 100
    sampler: SamplerConfig = SamplerConfig(steps=25)

    def __post_init__(self) -> None:
        check("scenes", self, alphas=0, samples=SHOWN)
        missing = {0.0, FAITHFUL} - set(self.alphas)
        if missing:
            given = ",".join(map(str, self.alphas))
            raise InputError(
                f"--scenes.alphas={given}: {min(missing):g} is missing, which the "
                "claims are about."
            )
        size, channels = self.recipe.unet.size, self.recipe.unet.channels
        if (size, channels) != (SIZE, 3):
            raise InputError(
                f"--scenes.unet.size={size} --scenes.unet.channels={channels}: scenes "
                f"are {SIZE} x {SIZE} in 3 colours; leave these as they are."
            )


class Drawn(NamedTuple):
    """Pictures of the prompt at every alpha, and what they show.

    Attributes:
      images: the first ones, in [0, 1]; a column starts from the same noise.
      tree: share with a tree in a desert, by the decoder.
      by_clip: the same, by CLIP.
      agree: share of all pictures of which both say the same.
      ghost: share with a shadow of nothing.
      distance: of a pixel to the nearest scene, root mean square.
      times: how many of the four times of day come equally often, exp(entropy).
    """

    images: Float[np.ndarray, "alphas shown height width 3"]
    tree: Float[np.ndarray, "alphas"]
    by_clip: Float[np.ndarray, "alphas"]
    agree: float
    ghost: Float[np.ndarray, "alphas"]
    distance: Float[np.ndarray, "alphas"]
    times: Float[np.ndarray, "alphas"]


def plans(
    config: Config, clip_config: clip.Config, setting: Setting
) -> tuple[Plan, Plan]:
    """CLIP and the network that its text tower tells the captions to."""
    return (
        clip.plan(clip_config, setting),
        described(config.recipe, config.data, clip.model(clip_config), setting),
    )


def study(
    config: Config, clip_config: clip.Config, prompt: str, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Trains CLIP unless it is there, trains the network, draws, measures."""
    towers, size = (
        clip.learn(clip_config, setting).state.params,
        clip.model(clip_config),
    )
    trained = learn(config.recipe, config.data, Text(size, towers), setting)
    drawn = _draw_at_alphas(config, trained, Space(size, towers), setting.seed)
    scored = config == Config() and clip_config == clip.Config()
    figures = _pictures(config, setting, drawn)
    if prompt:
        figures.append(_answer(config, trained, prompt, setting))
    return _claims(config, drawn, scored), figures


def _draw_at_alphas(config: Config, trained: Trained, space: Space, seed: int) -> Drawn:
    images, decoded, answers = [], [], []
    for alpha in config.alphas:
        found = draw(trained, PROMPT, config.samples, config.sampler, alpha, seed)
        images.append(found[:SHOWN])
        decoded.append(decode(found))
        answers.append(_tree_by_clip(space, found))
    trees = [_has_tree(each) for each in decoded]
    return Drawn(
        np.stack(images),
        np.array([tree.mean() for tree in trees]),
        np.array([answer.mean() for answer in answers]),
        float((np.stack(trees) == np.stack(answers)).mean()),
        np.array([_is_ghost(each).mean() for each in decoded]),
        np.array([np.sqrt(np.square(each.distance).mean()) for each in decoded]),
        np.array([_equally_often(each.shown[:, COLUMN["time"]]) for each in decoded]),
    )


def _has_tree(decoded: Decoded) -> np.ndarray:
    return decoded.shown[:, COLUMN["thing"]] == TREE


def _is_ghost(decoded: Decoded) -> np.ndarray:
    """A shadow, but nothing that casts it: the guide's "shadow in a desert"."""
    shown = decoded.shown
    return (shown[:, COLUMN["thing"]] == 0) & (shown[:, COLUMN["shadow"]] == 1)


def _tree_by_clip(space: Space, images: np.ndarray) -> np.ndarray:
    """Which pictures CLIP takes for a desert with a tree, among all kinds of scenes."""
    people = prompts("kind").ensemble[1 - DESERT]
    classes = space.read_classes([people, *prompts("thing").ensemble])
    seen = space.see(np.rint(255 * images).astype(np.uint8))
    return np.asarray(zero_shot.classify(seen, classes) == 1 + TREE)


def _equally_often(values: np.ndarray) -> float:
    """How many values would come equally often, exp(entropy)."""
    values = values[values >= 0]
    share = np.bincount(values) / max(len(values), 1)
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def _pictures(config: Config, setting: Setting, drawn: Drawn) -> list[str]:
    theme, workdir, alphas = setting.theme, setting.workdir, config.alphas
    arrays = {**drawn._asdict(), "alphas": alphas}
    return [
        style.save(
            pictures.strip(theme, PROMPT, alphas, drawn.images, drawn.tree),
            workdir, "scenes_guidance", **arrays,
        ),
        style.save(
            pictures.trade_off(
                theme, alphas, drawn.tree, drawn.by_clip, drawn.distance, drawn.times
            ),
            workdir, "scenes_trade_off", **arrays,
        ),
    ]  # fmt: skip


def _answer(config: Config, trained: Trained, prompt: str, setting: Setting) -> str:
    """Draws what the user asked for."""
    images = np.stack(
        [
            draw(trained, prompt, SHOWN, config.sampler, alpha, setting.seed)
            for alpha in config.alphas
        ]
    )
    drawing = pictures.strip(setting.theme, prompt, config.alphas, images, None)
    return style.save(drawing, setting.workdir, "scenes_prompt", images=images)


_GUIDE = "3Blue1Brown / Welch Labs: a tree in a desert"
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "tree_unguided",
        "told the caption but not guided, the model often leaves the tree out",
        (0, 0.9), (0.1, 0.7),
        _GUIDE + ": a shadow and no tree", "share of pictures with a tree at alpha 0",
    ),
    (
        "tree_guided",
        "guidance brings the tree into most pictures",
        (0.5, 1), (0.5, 1),
        _GUIDE, "share of pictures with a tree at alpha 3",
    ),
    (
        "tree_gain",
        "there are more trees with guidance than without",
        (0.02, 1), (0.1, 0.6),
        "exact scores of the spiral: 0.58 to 0.94 from alpha 0 to 3",
        "gain of the share from alpha 0 to 3",
    ),
    (
        "clip_agrees",
        "CLIP sees the same trees as a decoder that knows every scene",
        (0.8, 1), (0.7, 1),
        "two ways to measure", "share of pictures",
    ),
    (
        "too_far",
        "followed too far, pictures leave what scenes look like",
        (1, None), (1, None),
        "exact scores of the spiral: off the curve from alpha 5 on",
        "distance to the nearest scene at the last alpha, by that at 0",
    ),
)  # fmt: skip


def _claims(config: Config, drawn: Drawn, scored: bool) -> list[Claim]:
    without = config.alphas.index(0.0)
    faithful = config.alphas.index(FAITHFUL)
    measured = {
        "tree_unguided": drawn.tree[without],
        "tree_guided": drawn.tree[faithful],
        "tree_gain": drawn.tree[faithful] - drawn.tree[without],
        "clip_agrees": drawn.agree,
        "too_far": drawn.distance[-1] / drawn.distance[without],
    }
    return [
        Claim(
            f"9.scenes_{name}", statement, float(measured[name]), stated, expected,
            source, unit=unit, needs="the default steps", scored=scored,
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip
