"""Policy-gradient terms of PPO and GRPO: advantages, clipped surrogate, KL estimate.

The policy is a transformer that answers prompts. An action is a token of the answer;
its state is the preceding position. `counts` is a mask, 1 at the contiguous positions
whose next token is an action. Sources: clipped surrogate: Schulman et al., arXiv
1707.06347, equation 7; GAE: Schulman et al., 1506.02438, equation 16; group advantages
and KL estimate: Shao et al., 2402.03300, section 4.1.2 and equation 4.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array

ROUNDING = 2.0**-23  # machine epsilon of float32


def clipped_ratio(
    new: Float[Array, "*shape"],
    old: Float[Array, "*shape"],
    advantages: Float[Array, "*shape"],
    clip: float,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """PPO's clipped surrogate loss of each action, -min(ratio A, clipped ratio A).

    Args:
      new: log p of the actions under the policy that is trained.
      old: log p under the policy that sampled them.
      advantages: A, the advantages.
      clip: the ratio is clipped to [1 - clip, 1 + clip].

    Returns:
      The loss, and an indicator that is 1 where the clipped term is the minimum; the
      gradient is 0 there.
    """
    ratio = jnp.exp(new - old)
    unclipped = ratio * advantages
    clipped = jnp.clip(ratio, 1 - clip, 1 + clip) * advantages
    return -jnp.minimum(unclipped, clipped), (clipped < unclipped).astype(jnp.float32)


def divergence(
    new: Float[Array, "*shape"], reference: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The k3 estimate of KL(policy || reference) from each action; never negative.

    It is unbiased for actions that are sampled from the policy.

    Args:
      new: log p of the actions under the policy.
      reference: log p under the reference policy.
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
    """Generalized advantage estimation (GAE).

    A_t = delta_t + discount trace A_(t+1), and delta_t = r_t + discount V_(t+1) - V_t.
    A and V are 0 after the last action.

    Args:
      rewards: r, the reward of each action.
      values: V, the critic's value of each state.
      counts: 1 for an action, 0 elsewhere.
      discount: gamma.
      trace: lambda; 0 gives one-step advantages, 1 the Monte Carlo return minus V.

    Returns:
      A, the advantages; 0 where `counts` is.
    """

    def previous(carry: tuple[Array, Array], inputs: tuple[Array, ...]) -> tuple:
        next_advantage, next_value = carry
        reward, value, mask = inputs
        delta = reward + discount * next_value - value
        advantage = mask * (delta + discount * trace * next_advantage)
        return (advantage, mask * value), advantage

    zeros = jnp.zeros(len(rewards), jnp.float32)
    _, advantages = jax.lax.scan(
        previous, (zeros, zeros), (rewards.T, values.T, counts.T), reverse=True
    )
    return advantages.T


def whitened(
    values: Float[Array, "B T"], counts: Float[Array, "B T"]
) -> Float[Array, "B T"]:
    """Normalizes values to mean 0 and variance 1 over the batch, masked by `counts`.

    The result is 0 where `counts` is, and everywhere if all masked values are equal.
    """
    return _standardized(values, counts, axis=(0, 1))


def group_advantages(rewards: Float[Array, "B"], group: int) -> Float[Array, "B"]:
    """GRPO's advantages: rewards normalized within the answers to one prompt.

    Args:
      rewards: one reward per answer; the answers to one prompt are contiguous.
      group: number of answers to a prompt.

    Returns:
      (r - mean) / standard deviation, both over the group; exactly 0 in a group of
      equal rewards, whatever their magnitude.
    """
    grouped = rewards.reshape(-1, group)
    return _standardized(grouped, jnp.ones_like(grouped), axis=-1).reshape(-1)


def _standardized(
    values: Float[Array, "*shape"],
    counts: Float[Array, "*shape"],
    axis: int | tuple[int, ...],
) -> Float[Array, "*shape"]:
    """Masked standardization, (v - mean) / (standard deviation + rounding error).

    The smallest value is subtracted first: the mean of equal numbers may differ from
    them by rounding, but the difference of equal numbers is exactly 0. The rounding
    error in the divisor damps a spread that is no larger than the values' precision.

    Args:
      values: the numbers.
      counts: mask, 1 for the numbers that are used, 0 for the others.
      axis: the axes of mean and standard deviation.

    Returns:
      The standardized values; 0 where `counts` is 0.
    """

    def largest(x: Array) -> Array:
        return jnp.max(jnp.where(counts > 0, x, 0.0), axis, keepdims=True)

    least = jnp.min(values, axis, keepdims=True, initial=jnp.inf, where=counts > 0)
    above = jnp.where(counts > 0, values - least, 0.0)
    spread = largest(above)
    scale = jnp.where(spread > 0, spread, 1.0)  # squares of large values overflow
    number = jnp.maximum(counts.sum(axis, keepdims=True), 1.0)
    scaled = above / scale  # 0 to 1
    centred = counts * (scaled - (counts * scaled).sum(axis, keepdims=True) / number)
    variance = jnp.square(centred).sum(axis, keepdims=True) / number
    rounding = ROUNDING * largest(jnp.abs(values)) / scale
    return jnp.where(spread > 0, centred / (jnp.sqrt(variance) + rounding), 0.0)
