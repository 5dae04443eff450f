"""What single heads are worth: the loss of the masked GPT with each one removed.

Sources: Michel et al., arXiv 1905.10650; Voita et al., arXiv 1905.09418.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.part7 import mask
from experiments.part7.setting import Setting
from experiments.study import check
from nnguide.array_types import Array, Params
from nnguide.config import InputError
from nnguide.data.text import TextSource
from nnguide.language import next_token
from nnguide.plots import head_ablation as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.heads import without_heads
from nnguide.transformer.model import Transformer


@dataclasses.dataclass(frozen=True)
class Config:
    """How the loss without a head is measured.

    Attributes:
      parts: of the judged text, over which the spread is taken.
    """

    parts: int = 8

    def __post_init__(self) -> None:
        check("ablation", self, parts=2)


def removals(layers: int, heads: int) -> Float[np.ndarray, "removals L H"]:
    """What is kept: everything, without each head, each layer's, and all heads."""
    one_less = 1 - np.eye(layers * heads).reshape(-1, layers, heads)
    layer_less = np.repeat(1 - np.eye(layers)[:, :, None], heads, axis=2)
    ends = np.ones((1, layers, heads)), np.zeros((1, layers, heads))
    return np.concatenate([ends[0], one_less, layer_less, ends[1]]).astype(np.float32)


def losses(
    shape: TransformerConfig,
    params: Params,
    kept: Float[np.ndarray, "removals L H"],
    windows: np.ndarray,
    parts: int,
) -> Float[np.ndarray, "removals parts"]:
    """The mean surprise on each part of the windows, for each set of heads kept.

    Args:
      shape: of the model.
      params: its parameters.
      kept: 1 where a head stays.
      windows: of text, "N T+1"; what does not divide into parts is left out.
      parts: how many.
    """
    module = Transformer(shape)

    @jax.jit
    def each(params: Params, kept: Array, windows: Array) -> Array:
        def surprises(some: Array) -> Array:
            variables = {"params": without_heads(params, some)}
            logits = module.apply(variables, windows[:, :-1])
            return next_token.surprise(jnp.asarray(logits), windows[:, 1:])[0].mean()

        return jax.lax.map(surprises, kept)

    size = len(windows) // parts
    whole = windows[: parts * size].reshape(parts, size, -1)
    return np.stack([each(params, jnp.asarray(kept), part) for part in whole], axis=1)


def check_text(config: Config, training: mask.Config, text: TextSource) -> None:
    """Checks that the text is long enough, and has as many windows as parts.

    Raises:
      InputError: it is not, or has fewer.
    """
    mask.check_text(training, text)
    if config.parts > training.windows:
        raise InputError(
            f"--ablation.parts={config.parts}: the judged text has {training.windows} "
            "windows (--mask.windows); give as many at most."
        )


def study(
    config: Config, training: mask.Config, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Removes heads of the masked GPT, which is trained where it is not there yet."""
    shape = mask.model(setting)
    params = mask.train_gpt(training, setting)
    windows = mask.windows_of(mask.heldout(training, setting.text))
    measured = losses(
        shape, params, removals(shape.layers, shape.heads), windows, config.parts
    )
    rises = measured[1:] - measured[0]
    size = shape.layers * shape.heads
    single = rises[:size].reshape(shape.layers, shape.heads, config.parts)
    layer, every = rises[size:-1], rises[-1]
    picture = style.save(
        pictures.head_ablation(setting.theme, single, layer, every),
        setting.workdir,
        "head_ablation",
        single=single,
        layer=layer,
        every=every,
        loss=measured[0],
    )
    return _claims(training, setting, single.mean(-1), float(every.mean())), [picture]


def _claims(
    training: mask.Config, setting: Setting, single: np.ndarray, every: float
) -> list[Claim]:
    worth, all_heads = single.reshape(-1), "rise of the loss, over that without any"
    median, equal = np.median(worth), 1 / worth.size
    full = training == mask.Config() and setting.text.origin == "pydocs"
    rows = (
        (
            "median_head", "most heads matter little", median / every,
            (0, 0.1), (0, equal), "half of them are worth less than an equal share",
            all_heads,
        ),
        (
            "best_head", "a few heads matter much more", worth.max() / median,
            (3, None), (3, None), "the best is worth several of the median",
            "rise of the loss without it, over the median head's",
        ),
    )  # fmt: skip
    return [
        Claim(
            f"7.{name}", statement, float(measured), stated, expected,
            f"Michel et al., arXiv 1905.10650; {why}",
            unit=unit, needs="pydocs and the default steps", scored=full,
        )
        for name, statement, measured, stated, expected, why, unit in rows
    ]  # fmt: skip
