"""The context: how much seeing more of the text helps, and where sight ends.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs" (GPT-3's context of 2,048
tokens; chatbots that lose the thread); Kaplan et al., arXiv 2001.08361, figure 20 (loss
by position).
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments.part6.setting import (
    Setting,
    logits_of,
    network,
    surprises,
    windows,
)
from experiments.study import check
from nnguide.array_types import Params
from nnguide.config import InputError
from nnguide.data.text import TextSource
from nnguide.plots import style
from nnguide.plots.context_size import context_size
from nnguide.results import Claim
from nnguide.transformer.config import GPT3, TransformerConfig

_RUNS = 8


@dataclasses.dataclass(frozen=True)
class Config:
    """How the context is measured.

    Attributes:
      windows: of validation text whose loss is taken, in eight runs of windows that
        begin one token after the other, so that each place has about the same targets.
      texts: stretches of text in which single tokens are replaced.
    """

    windows: int = 4000
    texts: int = 128

    def __post_init__(self) -> None:
        check("context", self, windows=_RUNS, texts=1)


def distances(context: int) -> Int[np.ndarray, "places"]:
    """How far back tokens are replaced: 1, 2, 4, ... to the context and twice that."""
    powers = 2 ** np.arange(int(np.log2(context)) + 1)
    around = [context - 1, context, context + 1, 3 * context // 2, 2 * context]
    return np.unique(np.concatenate([powers, around]))


def influence(
    model: TransformerConfig,
    params: Params,
    texts: Int[np.ndarray, "texts length"],
    back: Int[np.ndarray, "places"],
    seed: int,
) -> Float[np.ndarray, "places texts"]:
    """What one replaced token does to the prediction after the last one.

    The transformer reads the last `context` tokens of a text, as it must.

    Args:
      model: of the network.
      params: of the network.
      texts: longer than the context.
      back: which token is replaced: 1 is the last.
      seed: names the tokens that come in.

    Returns:
      The divergence KL(before || after) of the two predictions, in nats.
    """
    draw = np.random.default_rng(seed)

    def predict(texts: np.ndarray) -> np.ndarray:
        seen = jnp.asarray(texts[:, -model.context :])
        logits = np.asarray(logits_of(model, params, seen)[:, -1], np.float64)
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)

    before, rows = predict(texts), []
    for place in back:
        # any token but the one that stands there
        shift = draw.integers(1, model.vocabulary, len(texts))
        changed = texts.copy()
        changed[:, -place] = (changed[:, -place] + shift) % model.vocabulary
        after = predict(changed)
        rows.append((np.exp(before) * (before - after)).sum(axis=-1))
    return np.stack(rows)


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Measures the loss by tokens seen and the reach of a token, and draws both."""
    model, fit = setting.model, setting.trained()
    tokens = _runs(windows(setting.text, model, 1), config.windows)
    each = np.stack(
        [
            surprises(model, network(fit, number), tokens).mean(axis=0)
            for number in range(setting.training.networks)
        ]
    )
    back = distances(model.context)
    texts = _stretches(setting, int(back.max()), config.texts)
    reach = influence(model, network(fit), texts, back, setting.seed)
    picture = style.save(
        context_size(setting.theme, each, back, reach, model.context),
        setting.workdir,
        "context",
        loss=each,
        windows=len(tokens),
        back=back,
        influence=reach,
    )
    return _claims(setting, each.mean(axis=0), back, reach), [picture]


def _runs(every: np.ndarray, count: int) -> np.ndarray:
    """Of windows that begin one token after the other, runs spread over the text."""
    length = min(count, len(every)) // _RUNS
    starts = np.linspace(0, len(every) - length, _RUNS).astype(int)
    return every[(starts[:, None] + np.arange(length)[None]).ravel()]


def check_text(config: Config, text: TextSource, model: TransformerConfig) -> None:
    """Checks that the text is long enough, and has tokens to replace others by.

    Raises:
      InputError: it is not, or has one token alone.
    """
    count, length = config.texts, int(distances(model.context).max())
    if len(text.validation) < max(length + count, model.context + _RUNS):
        raise InputError(
            f"{text.origin}: {len(text.validation):,} tokens to validate on are too "
            f"few for --context.texts={count} stretches of {length}; give a longer "
            "text."
        )
    if text.vocabulary_size < 2:
        raise InputError(
            f"{text.origin}: one kind of token; part 6 replaces tokens by others, so "
            "give a text of two or more, or --tokenizer=bytes."
        )


def _stretches(setting: Setting, length: int, count: int) -> np.ndarray:
    tokens = np.asarray(setting.text.validation, np.int32)
    starts = np.linspace(0, len(tokens) - length, count).astype(int)
    return tokens[starts[:, None] + np.arange(length)[None]]


def _claims(
    setting: Setting, loss: np.ndarray, back: np.ndarray, reach: np.ndarray
) -> list[Claim]:
    guide = "3Blue1Brown, Transformers, the tech behind LLMs"
    half = len(loss) // 2
    far = int(back[back <= half].max())
    inside, outside = reach[back <= len(loss)], reach[back > len(loss)]
    trained = {"needs": setting.needs, "scored": setting.scored}
    return [
        Claim(
            "6.gpt3_context",
            "GPT-3 sees 2,048 tokens at once",
            GPT3.context,
            (2048, 2048),
            (2048, 2048),
            f"{guide}; Brown et al., arXiv 2005.14165",
            unit="tokens",
        ),
        Claim(
            "6.context_gain",
            "seeing more of the text makes the next token easier to predict",
            float(loss[0] - loss[half:].mean()),
            (0, None),
            (0.15, 0.8),
            f"{guide}; expected: measured on this text",
            unit=f"nats a token, with 1 token seen less with {half + 1} or more",
            **trained,
        ),
        Claim(
            "6.beyond_context",
            "what has left the context is forgotten",
            float(np.abs(outside).max()),
            (0, 0),
            (0, 0),
            guide,
            unit="nats, largest change of a prediction",
        ),
        Claim(
            "6.within_context",
            "what is still in it counts: every single token changes the prediction",
            float((inside > 0).mean()),
            (0.99, 1),
            (0.95, 1),
            f"{guide}; less than float32 shows at times",
            unit="of the replaced tokens within the context",
            **trained,
        ),
        Claim(
            "6.near_and_far",
            "a word counts for more the nearer it stands",
            float(reach[back == 1].mean() / reach[back == far].mean()),
            (1, None),
            (20, None),
            "expected: measured on this text",
            unit=f"times the influence, the last token over one {far} back",
            **trained,
        ),
    ]
