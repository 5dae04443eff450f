"""What policies are improved by: advantages, the clipped ratio, the divergence.

A policy is a transformer that answers prompts. An action is a token of an answer; the
place before it is the state it was drawn in. `counts` is 1 at the places whose next
token is an action, which follow one another.

Sources: clipped ratio: Schulman et al., arXiv 1707.06347, equation 7; generalized
advantage estimation: Schulman et al., arXiv 1506.02438, equation 16; group advantages:
Shao et al., arXiv 2402.03300, section 4.1.2; the divergence's estimate: its equation 4.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array

SMALL = 1e-4  # keeps groups whose rewards are all the same at 0


def clipped_ratio(
    new: Float[Array, "*shape"],
    old: Float[Array, "*shape"],
    advantages: Float[Array, "*shape"],
    clip: float,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The loss of actions, -min(ratio A, clipped ratio A).

    Args:
      new: log p of the actions under the policy that is trained.
      old: under the policy that took them.
      advantages: A, how much better they were than expected.
      clip: the ratio counts from 1 - clip to 1 + clip.

    Returns:
      The loss, and 1 where the clipped ratio is what counts (it has no gradient there).
    """
    ratio = jnp.exp(new - old)
    free = ratio * advantages
    bounded = jnp.clip(ratio, 1 - clip, 1 + clip) * advantages
    return -jnp.minimum(free, bounded), (bounded < free).astype(jnp.float32)


def divergence(
    new: Float[Array, "*shape"], reference: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """An estimate of KL(policy | reference) from each action; never below 0.

    Its mean over the policy's own actions is the divergence itself.

    Args:
      new: log p of the actions under the policy.
      reference: under the reference.
    """
    log_ratio = reference - new
    return jnp.expm1(log_ratio) - log_ratio


def generalized_advantages(
    rewards: Float[Array, "B T"],
    values: Float[Array, "B T"],
    counts: Float[Array, "B T"],
    discount: float,
    trace: float,
) -> Float[Array, "B T"]:
    """How much better each action was than the critic expected.

    A_t = delta_t + discount trace A_(t+1), and delta_t = r_t + discount V_(t+1) - V_t;
    after the last action everything is 0.

    Args:
      rewards: for each action.
      values: what the critic expects in each state, V.
      counts: the actions.
      discount: of a reward one action later.
      trace: lambda; 0 trusts the critic after one action, 1 not at all.
    """

    def earlier(after: tuple[Array, Array], here: tuple[Array, ...]) -> tuple:
        advantage, value_after = after
        reward, value, counted = here
        delta = reward + discount * value_after - value
        advantage = counted * (delta + discount * trace * advantage)
        return (advantage, counted * value), advantage

    nothing = jnp.zeros(len(rewards), jnp.float32)
    _, found = jax.lax.scan(
        earlier, (nothing, nothing), (rewards.T, values.T, counts.T), reverse=True
    )
    return found.T


def whitened(
    values: Float[Array, "B T"], counts: Float[Array, "B T"]
) -> Float[Array, "B T"]:
    """Mean 0 and variance 1 over what counts; 0 elsewhere."""
    number = jnp.maximum(counts.sum(), 1.0)
    centred = counts * (values - (counts * values).sum() / number)
    variance = jnp.square(centred).sum() / number
    return centred / jnp.sqrt(variance + 1e-8)


def group_advantages(rewards: Float[Array, "B"], group: int) -> Float[Array, "B"]:
    """How much better each answer was than the other answers to its prompt.

    Args:
      rewards: of whole answers; those to one prompt follow one another.
      group: answers to a prompt.

    Returns:
      (r - mean) / (standard deviation + 0.0001), both of the group.
    """
    grouped = rewards.reshape(-1, group)
    centred = grouped - grouped.mean(-1, keepdims=True)
    deviation = jnp.sqrt(jnp.square(centred).mean(-1, keepdims=True))
    return (centred / (deviation + SMALL)).reshape(-1)
