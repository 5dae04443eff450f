"""How likely given tokens are, without ever holding the logits of all of them.

B T V logits are most of the memory of fine-tuning, and their gradient is as many again.
Here they are made for a few places of every row at a time, and made anew in the
backward pass. Places are cut, not rows, so that a batch split over devices stays split.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.language.next_token import surprise
from nnguide.transformer.model import Transformer

CHUNK = 1024  # tokens whose logits are held at once, over all rows


def log_probabilities(
    module: Transformer,
    params: Params,
    tokens: Int[Array, "B N"],
    key: Key | None = None,
    chunk: int = CHUNK,
) -> Float[Array, "B T"]:
    """Log p of each token but the first, given those before it; T is N - 1.

    Args:
      module: the transformer.
      params: its parameters.
      tokens: of every row.
      key: for dropout; None switches it off.
      chunk: tokens whose logits are held at once.
    """
    x = stream(module, params, tokens[:, :-1], key)
    return of_targets(module, params, x, tokens[:, 1:], chunk)


def of_answers(
    module: Transformer,
    params: Params,
    prompts: Int[Array, "C P"],
    lengths: Int[Array, "C"],
    answers: Int[Array, "B N"],
    chunk: int = CHUNK,
) -> Float[Array, "B N"]:
    """Log p of each token of answers, given its prompt and the answer before it.

    Args:
      module: the transformer.
      params: its parameters.
      prompts: padded behind.
      lengths: of each.
      answers: B / C in a row to each prompt, which is read once for all of them.
      chunk: tokens whose logits are held at once.
    """
    x = answer_stream(module, params, prompts, lengths, answers)
    return of_targets(module, params, x, answers, chunk)


def answer_stream(
    module: Transformer,
    params: Params,
    prompts: Int[Array, "C P"],
    lengths: Int[Array, "C"],
    answers: Int[Array, "B N"],
) -> Float[Array, "B N D"]:
    """The stream, as `stream` gives it, at the places before the answers' tokens.

    Args:
      module: the transformer; causal, or the prompts' padding would be seen.
      params: its parameters.
      prompts: as in `of_answers`, like all that follows.
      lengths: see there.
      answers: see there.
    """
    if answers.shape[1] > 1:
        read: Any = module.apply(
            {"params": params}, prompts, lengths, answers[:, :-1], method="read_answers"
        )
        begun, rest = read
    else:  # an answer's last token is never read
        begun = stream(module, params, prompts)
        rest = jnp.zeros((len(answers), 0, begun.shape[-1]), begun.dtype)
    last = jnp.take_along_axis(begun, lengths[:, None, None] - 1, axis=1)
    last = jnp.repeat(last, len(answers) // len(prompts), axis=0)
    return jnp.concatenate([last, rest], axis=1)[:, : answers.shape[1]]


def stream(
    module: Transformer,
    params: Params,
    tokens: Int[Array, "B T"],
    key: Key | None = None,
) -> Float[Array, "B T D"]:
    """The residual stream after the last norm: what logits and heads are made of."""
    if not tokens.shape[1]:  # kernels want a token
        return jnp.zeros((len(tokens), 0, module.config.embedding), jnp.float32)
    variables = {"params": params}
    return module.apply(variables, tokens, None, None, key, method="read")[0]


def of_targets(
    module: Transformer,
    params: Params,
    x: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    chunk: int = CHUNK,
) -> Float[Array, "B T"]:
    """Log p of the token that comes after each place.

    Args:
      module: the transformer, whose unembedding is used.
      params: its parameters.
      x: what `stream` gives.
      targets: the tokens that come.
      chunk: tokens whose logits are held at once; at least one place of every row.
    """
    batch, places, width = x.shape
    span = max(1, min(chunk // batch, places))
    pieces = -(-places // span)
    missing = pieces * span - places
    x = jnp.pad(x, ((0, 0), (0, missing), (0, 0)))
    targets = jnp.pad(targets, ((0, 0), (0, missing)))

    def one(piece: Any) -> Array:
        logits: Any = module.apply({"params": params}, piece[0], method="unembed")
        return -surprise(logits, piece[1])[0]

    cut = (
        x.reshape(batch, pieces, span, width).swapaxes(0, 1),
        targets.reshape(batch, pieces, span).swapaxes(0, 1),
    )
    each = jax.lax.map(jax.checkpoint(one, prevent_cse=False), cut)
    return each.swapaxes(0, 1).reshape(batch, pieces * span)[:, :places]
