"""Group relative policy optimization (GRPO): answers compete with their like.

Each prompt is answered several times, and an answer's advantage is how much better it
was than the others of its group: no critic. The divergence from the reference is part
of the loss.

`functions` have the shape of `training.Task`; `make_rollout` makes the batches, for
`training.fit_alternating`. A row is a prompt with its answers, so that the prompt is
read once for all of them: "prompt" (P,), "prompt_length"; "answers" (group, N), and for
each of their tokens "counts" (what it counts, 0 behind the end), "old" and "reference"
(its log p); and "advantage", "reward", "length", "ended" (group,).

Source: Shao et al., arXiv 2402.03300, equation 3.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.language.log_probabilities import CHUNK, of_answers
from nnguide.language.next_token import Functions
from nnguide.language.policy import clipped_ratio, divergence, group_advantages
from nnguide.language.rollout import Prompts, Reward, Writer, drawn_prompts
from nnguide.language.token_shares import Normalization, token_shares
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params


@dataclasses.dataclass(frozen=True)
class GrpoConfig:
    """How a policy is improved.

    Attributes:
      prompts: different ones in a rollout.
      group: answers to each.
      clip: how far from 1 the ratio counts.
      beta: weight of the divergence from the reference.
      normalization: whether every token counts the same, every sequence (answer), or
        every group.
    """

    prompts: int = 16
    group: int = 8
    clip: float = 0.2
    beta: float = 0.04
    normalization: Normalization = "sequence"

    def __post_init__(self) -> None:
        for name, least in (("prompts", 1), ("group", 2)):
            if getattr(self, name) < least:
                raise InputError(
                    f"--grpo.{name}={getattr(self, name)}: give {least} or more."
                )
        if not 0 < self.clip < 1:
            raise InputError(f"--grpo.clip={self.clip}: give a share between 0 and 1.")
        if self.beta < 0:
            raise InputError(f"--grpo.beta={self.beta}: give 0 (off) or more.")


def functions(
    config: TransformerConfig,
    grpo: GrpoConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
    chunk: int = CHUNK,
) -> Functions:
    """Trains and judges a transformer on answers it gave.

    Args:
      config: what it is.
      grpo: how it is improved.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
      chunk: tokens whose logits are held at once.
    """
    module = Transformer(config, execution, known_tokens)

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        del key  # nothing is random
        counts = batch["counts"] * batch["weight"][:, None, None]
        answers = batch["answers"].reshape(-1, batch["answers"].shape[-1])
        asked = (batch["prompt"], batch["prompt_length"])
        own = of_answers(module, params, *asked, answers, chunk).reshape(counts.shape)
        # What does not count is set equal: times 0, an infinite ratio would be NaN.
        new = jnp.where(counts > 0, own, batch["old"])
        advantages = jnp.broadcast_to(batch["advantage"][..., None], new.shape)
        improvement, clipped = clipped_ratio(new, batch["old"], advantages, grpo.clip)
        apart = divergence(new, jnp.where(counts > 0, batch["reference"], new))
        weight = counts.sum()
        total = (counts * (improvement + grpo.beta * apart)).sum()
        metrics = {
            "clipped": ((counts * clipped).sum(), weight),
            "divergence": ((counts * apart).sum(), weight),
        }
        return (total, weight), {**metrics, **rollout_metrics(batch)}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        total, metrics = loss(params, batch, key)
        return {"loss": total, **metrics}

    return Functions(lambda key: initial_params(config, key), loss, evaluate)


def rollout_metrics(batch: Batch) -> Metrics:
    """What the answers of a batch were like; means over answers.

    "kl" is the mean of log(p / p_reference) of whole answers, in nats. A row may hold
    one answer or several.
    """
    acted = (batch["counts"] > 0) * (batch["old"] - batch["reference"])
    each = {
        "kl": acted.sum(-1),
        **{name: batch[name] for name in ("reward", "length", "ended")},
    }
    weight = batch["weight"].reshape(-1, *[1] * (each["kl"].ndim - 1))
    weight = jnp.broadcast_to(weight, each["kl"].shape)
    return {name: ((weight * e).sum(), weight.sum()) for name, e in each.items()}


def make_rollout(
    module: Transformer,
    grpo: GrpoConfig,
    write: Writer,
    prompts: Prompts,
    reward: Reward,
    reference: Params,
) -> Callable[[Params, int, Key], dict[str, Any]]:
    """Makes rounds of data: answers, what they are worth, how likely they were.

    Args:
      module: the transformer.
      grpo: how many prompts and answers.
      write: answers each prompt with it, in groups.
      prompts: what may be asked.
      reward: what answers are worth.
      reference: the parameters to stay near.

    Returns:
      A function of (params, round number, key) for `training.fit_alternating`.
    """

    @jax.jit
    def judged(reference: Params, answers: Any, worth: Array) -> Any:
        counts = token_shares(answers.counts, grpo.normalization, grpo.group)
        asked = (answers.prompts.tokens, answers.prompts.lengths)
        new = answers.tokens
        each = {
            "answers": new,
            "counts": counts,
            "old": answers.log_probabilities,
            "reference": of_answers(module, reference, *asked, new),
            "advantage": group_advantages(worth, grpo.group),
            "reward": worth,
            "length": answers.counts.sum(-1),
            "ended": answers.ended.astype(jnp.float32),
        }
        by_prompt = {
            name: leaf.reshape(-1, grpo.group, *leaf.shape[1:])
            for name, leaf in each.items()
        }
        return {"prompt": asked[0], "prompt_length": asked[1], **by_prompt}

    def rollout(params: Params, number: int, key: Key) -> dict[str, Any]:
        del number  # the key is all that is random
        prompt_key, write_key = jax.random.split(key)
        asked, numbers = drawn_prompts(prompts, grpo.prompts, prompt_key)
        answers = write(params, asked, write_key)
        worth = reward(answers, jnp.repeat(numbers, grpo.group))
        worth = jnp.asarray(worth, jnp.float32)
        return judged(reference, answers, worth)

    return rollout
