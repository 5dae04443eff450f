"""What models write, and how much it surprises a trigram model of the training text."""

import numpy as np
from jaxtyping import Float, Int, Integer

from nnguide.array_types import Key, Params
from nnguide.data.text import TextSource
from nnguide.language import ngrams
from nnguide.language.generation import make_generator
from nnguide.language.sampling import SamplingConfig
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.transformer.config import TransformerConfig

REFERENCE = 3  # the n of the n-gram model that judges


def write(
    shape: TransformerConfig,
    params: Params,
    prompts: Int[np.ndarray, "B P"],
    count: int,
    key: Key,
) -> Int[np.ndarray, "B N"]:
    """What a model writes after the prompts, drawn with its own probabilities.

    Args:
      shape: of the model; without the mask it reads all it wrote for each token.
      params: its parameters.
      prompts: to go on from.
      count: tokens to write.
      key: of the draw.
    """
    generate = make_generator(
        shape,
        sampling=SamplingConfig(temperature=1.0),
        new_tokens=count,
        cached=shape.causal,
    )
    lengths = np.full(len(prompts), prompts.shape[1], np.int32)
    return np.asarray(generate(params, prompts, lengths, key).tokens)


def write_bigram(
    train: Integer[np.ndarray, "_"],
    prompts: Integer[np.ndarray, "B P"],
    count: int,
    seed: int,
) -> Int[np.ndarray, "B N"]:
    """What a bigram model writes: after each token one of those that followed it.

    Args:
      train: the text whose pairs are counted; its end is followed by its beginning.
      prompts: whose last token is gone on from.
      count: tokens to write.
      seed: of the draw.
    """
    random = np.random.Generator(np.random.Philox(seed))
    order = np.argsort(train, kind="stable")  # places, by the token that is there
    ids = np.arange(max(int(train.max()), int(prompts.max())) + 2)
    first = np.searchsorted(train[order], ids)
    latest, written = prompts[:, -1], []
    for _ in range(count):
        low, high = first[latest], first[latest + 1]
        new = low == high  # never seen in the text: any token may follow
        low, high = np.where(new, 0, low), np.where(new, len(train), high)
        place = order[low + (random.random(len(latest)) * (high - low)).astype(int)]
        latest = train[(place + 1) % len(train)].astype(np.int32)
        written.append(latest)
    return np.stack(written, axis=1)


def surprise_of(
    text: TextSource, prompts: Int[np.ndarray, "B P"], written: Int[np.ndarray, "B N"]
) -> Float[np.ndarray, "B"]:
    """The mean surprise of a trigram model of a text at what was written.

    Args:
      text: whose training part is counted.
      prompts: what comes before.
      written: what is judged.

    Returns:
      Of each row, in nats a token.
    """
    rows = np.concatenate([prompts[:, 1 - REFERENCE :], written], axis=1)
    each = ngrams.probabilities(
        text.train, rows.reshape(-1), REFERENCE, text.vocabulary_size
    )
    # the first tokens of a row are there to be looked at, not to be judged
    return -np.log(each[REFERENCE]).reshape(rows.shape)[:, REFERENCE - 1 :].mean(1)


def on_one_line(tokenizer: Tokenizer | None, written: Int[np.ndarray, "N"]) -> str:
    """A text in characters that every font has; its ids where no tokenizer is known."""
    if tokenizer is None:
        return " ".join(map(str, written))
    text = tokenizer.decode(written).replace("\n", "\u21b5")
    return "".join(
        sign
        if sign == "\u21b5" or (sign.isascii() and sign.isprintable())
        else "\u00b7"
        for sign in text
    )
