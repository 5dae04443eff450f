"""Proximal policy optimization (PPO): a critic expects, the policy does better.

The critic is a head on the policy's own residual stream. Every token costs beta times
log(p / p_reference), and the answer's reward comes with its last token, so that staying
near the reference is part of what is rewarded.

`functions` have the shape of `training.Task`; `make_rollout` makes the batches, for
`training.fit_alternating`. A row is a prompt with one answer and holds what `grpo`
says, without the group's axis and but for "advantage", and for each token "advantages",
"values" (what the critic expected before it) and "returns" (what came).

Sources: Schulman et al., arXiv 1707.06347; Ouyang et al., arXiv 2203.02155, section
3.5; the clipped value loss is OpenAI's, Huang et al., arXiv 2403.17031, detail 13.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.language.grpo import rollout_metrics
from nnguide.language.log_probabilities import (
    CHUNK,
    answer_stream,
    of_answers,
    of_targets,
)
from nnguide.language.next_token import Functions
from nnguide.language.policy import clipped_ratio, generalized_advantages, whitened
from nnguide.language.reward_model import last_counted
from nnguide.language.rollout import Prompts, Reward, Writer, drawn_prompts
from nnguide.language.scalar_head import initial_with_head, read_head
from nnguide.language.token_shares import Normalization, token_shares
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer


@dataclasses.dataclass(frozen=True)
class PpoConfig:
    """How a policy is improved.

    Attributes:
      rows: answers in a rollout, each to a prompt of its own where there are enough.
      clip: how far from 1 the ratio counts, and from the old value the new one.
      beta: what a nat of log(p / p_reference) costs.
      discount: of a reward one token later.
      trace: lambda of generalized advantages.
      value_weight: of the critic's loss.
      normalization: whether every token counts the same, or every sequence (answer).
    """

    rows: int = 128
    clip: float = 0.2
    beta: float = 0.04
    discount: float = 1.0
    trace: float = 0.95
    value_weight: float = 0.5
    normalization: Normalization = "token"

    def __post_init__(self) -> None:
        self._check("rows", self.rows >= 1, "1 or more")
        self._check("clip", 0 < self.clip < 1, "a share between 0 and 1")
        for name in ("beta", "value_weight"):
            self._check(name, getattr(self, name) >= 0, "0 (off) or more")
        for name in ("discount", "trace"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        self._check(
            "normalization",
            self.normalization != "group",
            "token or sequence; prompts are answered once here",
        )

    def _check(self, name: str, fits: bool, wanted: str) -> None:
        if not fits:
            raise InputError(f"--ppo.{name}={getattr(self, name)}: give {wanted}.")


def value_loss(
    values: Float[Array, "*shape"],
    old: Float[Array, "*shape"],
    returns: Float[Array, "*shape"],
    clip: float,
) -> Float[Array, "*shape"]:
    """Half the squared error of the critic; it pays nothing to move far at once.

    Args:
      values: what it expects now.
      old: what it expected when the answers were given.
      returns: what came.
      clip: how far from `old` counts.
    """
    bounded = old + jnp.clip(values - old, -clip, clip)
    errors = jnp.square(values - returns), jnp.square(bounded - returns)
    return 0.5 * jnp.maximum(*errors)


def token_rewards(
    worth: Float[Array, "B"],
    own: Float[Array, "B T"],
    reference: Float[Array, "B T"],
    counts: Float[Array, "B T"],
    beta: float,
) -> Float[Array, "B T"]:
    """Each token's cost, -beta log(p / p_reference), and at the last one the reward.

    Args:
      worth: of whole answers.
      own: log p of the tokens under the policy that wrote them.
      reference: under the reference.
      counts: 1 for tokens of answers.
      beta: as in `PpoConfig`.
    """
    last = last_counted(counts)[:, None] - 1
    ends = jnp.arange(counts.shape[1])[None] == last
    return counts * (ends * worth[:, None] - beta * (own - reference))


def functions(
    config: TransformerConfig,
    ppo: PpoConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
    chunk: int = CHUNK,
) -> Functions:
    """Trains and judges a policy with its critic on answers it gave.

    Args:
      config: of the transformer under the head.
      ppo: how it is improved.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
      chunk: tokens whose logits are held at once.
    """
    module = Transformer(config, execution, known_tokens)

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        del key  # nothing is random
        counts = batch["counts"] * batch["weight"][:, None]
        asked, new = (batch["prompt"], batch["prompt_length"]), batch["answers"]
        x = answer_stream(module, params["transformer"], *asked, new)
        own = of_targets(module, params["transformer"], x, new, chunk)
        # What does not count is set equal: times 0, an infinite ratio would be NaN.
        own = jnp.where(counts > 0, own, batch["old"])
        improvement, clipped = clipped_ratio(
            own, batch["old"], batch["advantages"], ppo.clip
        )
        values = read_head(params, x)
        errors = value_loss(values, batch["values"], batch["returns"], ppo.clip)
        weight = counts.sum()
        total = (counts * (improvement + ppo.value_weight * errors)).sum()
        metrics = {
            "clipped": ((counts * clipped).sum(), weight),
            "value_loss": ((counts * errors).sum(), weight),
        }
        return (total, weight), {**metrics, **rollout_metrics(batch)}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        total, metrics = loss(params, batch, key)
        return {"loss": total, **metrics}

    return Functions(lambda key: initial_with_head(config, key), loss, evaluate)


def make_rollout(
    module: Transformer,
    ppo: PpoConfig,
    write: Writer,
    prompts: Prompts,
    reward: Reward,
    reference: Params,
) -> Callable[[Params, int, Key], dict[str, Any]]:
    """Makes rounds of data: answers, what they are worth, what the critic expected.

    Args:
      module: the transformer.
      ppo: how many answers, and how advantages are computed.
      write: answers prompts with it.
      prompts: what may be asked.
      reward: what answers are worth.
      reference: the transformer's parameters to stay near.

    Returns:
      A function of (params, round number, key) for `training.fit_alternating`.
    """

    @jax.jit
    def judged(params: Params, reference: Params, answers: Any, worth: Array) -> Any:
        asked = (answers.prompts.tokens, answers.prompts.lengths)
        tokens, counts = answers.tokens, answers.counts
        x = answer_stream(module, params["transformer"], *asked, tokens)
        old = answers.log_probabilities
        likely = of_answers(module, reference, *asked, tokens)
        values = read_head(params, x)
        rewards = token_rewards(worth, old, likely, counts, ppo.beta)
        advantages = generalized_advantages(
            rewards, values, counts, ppo.discount, ppo.trace
        )
        return {
            "prompt": asked[0],
            "prompt_length": asked[1],
            "answers": tokens,
            "counts": token_shares(counts, ppo.normalization),
            "old": old,
            "reference": likely,
            "advantages": whitened(advantages, counts),
            "values": values,
            "returns": counts * (advantages + values),
            "reward": worth,
            "length": counts.sum(-1),
            "ended": answers.ended.astype(jnp.float32),
        }

    def rollout(params: Params, number: int, key: Key) -> dict[str, Any]:
        del number  # the key is all that is random
        prompt_key, write_key = jax.random.split(key)
        asked, numbers = drawn_prompts(prompts, ppo.rows, prompt_key)
        answers = write(params["transformer"], asked, write_key)
        worth = jnp.asarray(reward(answers, numbers), jnp.float32)
        return judged(params, reference, answers, worth)

    return rollout
