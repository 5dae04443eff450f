"""A reward model: which of two answers would be preferred, as one number an answer.

By Bradley and Terry, answer a is preferred to b with probability sigmoid(r_a - r_b).
The number is read at the answer's last token, which has seen all of it.

The functions have the shape of `training.Task`. A batch holds preference pairs as
`turns.pair_rows` gives them: "tokens" (B, 2, N) and "counts" (B, 2, N - 1), the chosen
answer first, and "weight" (B,).

Sources: Bradley and Terry 1952; Ouyang et al., arXiv 2203.02155, section 3.5.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.language.log_probabilities import stream
from nnguide.language.next_token import Functions
from nnguide.language.scalar_head import initial_with_head, read_head
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer


def bradley_terry(
    chosen: Float[Array, "B"], rejected: Float[Array, "B"]
) -> Float[Array, "B"]:
    """-log of the probability that the chosen answer is preferred, in nats."""
    return -jax.nn.log_sigmoid(chosen - rejected)


def rewards(
    module: Transformer,
    params: Params,
    tokens: Int[Array, "B N"],
    counts: Float[Array, "B T"],
) -> Float[Array, "B"]:
    """What each answer is worth.

    Args:
      module: the transformer under the head.
      params: with a head, as `scalar_head` makes them.
      tokens: prompts with their answers.
      counts: 1 where the token after a place is the answer's; T is N - 1.
    """
    x = stream(module, params["transformer"], tokens)
    last = last_counted(counts)[:, None, None]
    return read_head(params, jnp.take_along_axis(x, last, axis=1))[:, 0]


def last_counted(counts: Float[Array, "B T"]) -> Int[Array, "B"]:
    """The place of each row's last token that counts."""
    after = jnp.argmax(counts[:, ::-1] > 0, axis=-1)
    return counts.shape[1] - after


def functions(
    config: TransformerConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
) -> Functions:
    """Trains and judges a reward model on preference pairs.

    Args:
      config: of the transformer under the head.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
    """
    module = Transformer(config, execution, known_tokens)

    def sums(params: Params, batch: Batch) -> Metrics:
        tokens, counts = (
            leaf.reshape(-1, leaf.shape[-1])
            for leaf in (batch["tokens"], batch["counts"])
        )
        chosen, rejected = rewards(module, params, tokens, counts).reshape(-1, 2).T
        weight = batch["weight"]
        return {
            "loss": ((weight * bradley_terry(chosen, rejected)).sum(), weight.sum()),
            "accuracy": ((weight * agrees(chosen, rejected)).sum(), weight.sum()),
        }

    return from_sums(lambda key: initial_with_head(config, key), sums)


def from_sums(
    init: Callable[[Key], Params], sums: Callable[[Params, Batch], Metrics]
) -> Functions:
    """What is trained and judged by the same sums, of which one is the loss.

    Args:
      init: draws the parameters.
      sums: name -> (sum, weight) over a batch of pairs; nothing in it is random.
    """

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        del key  # nothing is random
        found = sums(params, batch)
        return found.pop("loss"), found

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key
        return sums(params, batch)

    return Functions(init, loss, evaluate)


def agrees(chosen: Float[Array, "B"], rejected: Float[Array, "B"]) -> Float[Array, "B"]:
    """1 where the chosen answer has the larger number, 1/2 where both have the same."""
    return (1 + jnp.sign(chosen - rejected)) / 2
