"""Direct preference optimization (DPO): preference pairs without a reward model.

The policy is its own reward model: an answer's reward is beta log(p / p_reference), and
pairs are fitted as by Bradley and Terry.

The functions have the shape of `training.Task`. A batch holds pairs as
`turns.pair_rows` gives them, "tokens" (B, 2, N) and "counts" (B, 2, N - 1), and
"reference" (B, 2), log p of the answers under the reference, which stays as it is and
is therefore data.

Source: Rafailov et al., arXiv 2305.18290, equation 7.
"""

import dataclasses

from jaxtyping import Float, Int

from nnguide.array_types import Array, Batch, Metrics, Params
from nnguide.config import InputError
from nnguide.language.log_probabilities import CHUNK, log_probabilities
from nnguide.language.next_token import Functions
from nnguide.language.reward_model import agrees, bradley_terry, from_sums
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params


@dataclasses.dataclass(frozen=True)
class DpoConfig:
    """How preferences move the policy.

    Attributes:
      beta: what a nat of difference from the reference is worth; a small one lets the
        policy go far.
    """

    beta: float = 0.1

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise InputError(f"--dpo.beta={self.beta}: give more than 0.")


def answer_log_probabilities(
    module: Transformer,
    params: Params,
    tokens: Int[Array, "B N"],
    counts: Float[Array, "B T"],
    chunk: int = CHUNK,
) -> Float[Array, "B"]:
    """Log p of each whole answer, given its prompt.

    Args:
      module: the transformer.
      params: its parameters.
      tokens: prompts with their answers.
      counts: 1 where the token after a place is the answer's; T is N - 1.
      chunk: tokens whose logits are held at once.
    """
    each = log_probabilities(module, params, tokens, chunk=chunk)
    return (counts * each).sum(-1)


def dpo(
    chosen: Float[Array, "B"], rejected: Float[Array, "B"], beta: float
) -> Float[Array, "B"]:
    """The loss of each pair.

    Args:
      chosen: log(p / p_reference) of the preferred answers.
      rejected: the same of the others.
      beta: as in `DpoConfig`.
    """
    return bradley_terry(beta * chosen, beta * rejected)


def functions(
    config: TransformerConfig,
    dpo_config: DpoConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
    chunk: int = CHUNK,
) -> Functions:
    """Trains and judges a transformer on preference pairs.

    Args:
      config: what it is.
      dpo_config: how preferences move it.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
      chunk: tokens whose logits are held at once.
    """
    module = Transformer(config, execution, known_tokens)

    def sums(params: Params, batch: Batch) -> Metrics:
        tokens, counts = (
            leaf.reshape(-1, leaf.shape[-1])
            for leaf in (batch["tokens"], batch["counts"])
        )
        own = answer_log_probabilities(module, params, tokens, counts, chunk)
        chosen, rejected = (own.reshape(-1, 2) - batch["reference"]).T
        weight = batch["weight"]
        each = {
            "loss": dpo(chosen, rejected, dpo_config.beta),
            "accuracy": agrees(chosen, rejected),
            "chosen": chosen,
            "rejected": rejected,
        }
        return {name: ((weight * e).sum(), weight.sum()) for name, e in each.items()}

    return from_sums(lambda key: initial_params(config, key), sums)
