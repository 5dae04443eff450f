"""Supervised fine-tuning: the same prediction of the next token, of answers alone.

The functions have the shape of `training.Task`. A batch holds "tokens" (B, N), "counts"
(B, N - 1), what the prediction after each place counts (`turns.Rows`, divided as
`token_shares` says), and "weight" and "example" (B,).

Training starts from a pre-trained model: give its parameters to `fit` as `start`, or
freeze them and train what `low_rank` adds.

Source: Ouyang et al., arXiv 2203.02155, section 3.5 (they count prompts too).
"""

import jax

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.language.log_probabilities import CHUNK, log_probabilities
from nnguide.language.next_token import Functions
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params


def functions(
    config: TransformerConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
    chunk: int = CHUNK,
) -> Functions:
    """Trains and judges a transformer on what the assistant says.

    Args:
      config: what it is.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
      chunk: tokens whose logits are held at once.
    """
    module = Transformer(config, execution, known_tokens)

    def sums(params: Params, batch: Batch, key: Key | None) -> tuple[Array, Array]:
        each = log_probabilities(module, params, batch["tokens"], key, chunk)
        counts = batch["counts"] * batch["weight"][:, None]
        return -(counts * each).sum(), counts.sum()

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        # Each shard drops other activations: its first example's number tells it apart.
        key = jax.random.fold_in(key, batch["example"][0])
        return sums(params, batch, key if config.dropout else None), {}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key  # nothing is random
        return {"loss": sums(params, batch, None)}

    return Functions(lambda key: initial_params(config, key), loss, evaluate)
