"""What policies are improved by, against numbers worked out by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.language import policy
from nnguide.language.ppo import token_rewards, value_loss


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6)


@pytest.mark.smoke
def test_the_clipped_ratio_by_hand():
    # Ratios 2, 2, 1/2, 1/2, 1.1 with advantages of both signs, clipped at 0.8 and 1.2.
    new = jnp.log(jnp.asarray([2.0, 2.0, 0.5, 0.5, 1.1])) - 3.0
    advantages = jnp.asarray([1.0, -1.0, 1.0, -1.0, 3.0])
    loss, clipped = policy.clipped_ratio(new, jnp.full(5, -3.0), advantages, 0.2)
    close(loss, [-1.2, 2.0, -0.5, 0.8, -3.3])
    close(clipped, [1, 0, 0, 1, 0])


def test_the_divergence_is_its_own_expectation():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.25, 0.25])
    each = policy.divergence(jnp.log(p), jnp.log(q))
    assert (np.asarray(each) >= 0).all()
    assert float(p @ each) == pytest.approx((p * np.log(p / q)).sum(), abs=1e-6)


def test_generalized_advantages_by_hand():
    rewards = jnp.asarray([[9.0, 1.0, 0.0, 2.0, 9.0]])
    values = jnp.asarray([[7.0, 0.5, 1.0, 1.5, 7.0]])
    counts = jnp.asarray([[0.0, 1.0, 1.0, 1.0, 0.0]])
    found = policy.generalized_advantages(rewards, values, counts, 0.9, 0.8)
    last = 2 - 1.5
    middle = 0 + 0.9 * 1.5 - 1.0 + 0.72 * last
    first = 1 + 0.9 * 1.0 - 0.5 + 0.72 * middle
    close(found, [[0, first, middle, last, 0]])


def test_with_trace_1_an_advantage_is_the_return_less_the_value():
    rewards, values = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("f4")
    found = policy.generalized_advantages(
        jnp.asarray(rewards), jnp.asarray(values), jnp.ones((3, 6)), 1.0, 1.0
    )
    close(found, rewards[:, ::-1].cumsum(1)[:, ::-1] - values)


def test_group_advantages_by_hand():
    rewards = jnp.asarray([1.0, 2.0, 3.0, 5.0, 5.0, 5.0])
    deviation = math.sqrt(2 / 3)
    close(
        policy.group_advantages(rewards, 3),
        [-1 / deviation, 0, 1 / deviation, 0, 0, 0],
    )


@pytest.mark.smoke
def test_equal_rewards_of_any_size_have_advantages_of_exactly_0():
    advantages = jax.jit(policy.group_advantages, static_argnums=1)
    whitened = jax.jit(policy.whitened)
    counts = np.random.default_rng(0).integers(0, 2, (3, 7)).astype("f4")
    for reward in (0.0, 1.1, 33.3, 1000.1, -12345.678, 1e-30, -3e38):
        rewards = np.full(21, reward, "f4")
        assert not np.asarray(advantages(rewards, 7)).any(), reward
        values = np.where(counts > 0, reward, 7).astype("f4")
        assert not np.asarray(whitened(values, counts)).any(), reward
    assert not np.asarray(whitened(values, 0 * counts)).any()


def test_advantages_do_not_depend_on_the_rewards_unit_or_origin():
    rewards = jnp.asarray([0.0, 1.0, 2.0, 5.0])
    wanted = (np.arange(4) * [1, 1, 1, 5 / 3] - 2) / math.sqrt(3.5)
    for unit in (1e-30, 1.0, 2.0**100):
        found = policy.group_advantages(rewards * unit, 4)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    # A millionth of the rewards' size: 16 times what float32 can tell apart.
    found = policy.group_advantages(2.0**20 + rewards, 4)
    np.testing.assert_allclose(found, wanted, rtol=0.1)
    np.testing.assert_allclose(
        policy.group_advantages(1000 + rewards, 4), wanted, rtol=1e-3
    )


def test_the_smallest_difference_that_float32_has_is_seen():
    one = np.float32(1000.1)
    rewards = jnp.asarray([one] * 7 + [np.nextafter(one, np.float32(np.inf))])
    found = np.asarray(policy.group_advantages(rewards, 8))
    assert 0.3 < found[-1] < math.sqrt(7)
    np.testing.assert_allclose(found[:-1], -found[-1] / 7, rtol=1e-5)


def test_whitened_over_what_counts():
    counts = jnp.asarray([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    values = jnp.asarray([[1.0, 2.0, 99.0], [3.0, 99.0, 99.0]])
    third = math.sqrt(1.5)
    close(policy.whitened(values, counts), [[-third, 0, 0], [third, 0, 0]])


def test_token_rewards_by_hand():
    counts = jnp.asarray([[0.0, 1.0, 1.0, 0.0]])
    own = jnp.asarray([[-9.0, -1.0, -2.0, -9.0]])
    reference = jnp.asarray([[-1.0, -1.5, -1.0, -1.0]])
    found = token_rewards(jnp.asarray([3.0]), own, reference, counts, 0.1)
    close(found, [[0, -0.1 * 0.5, 3 + 0.1 * 1.0, 0]])


def test_the_critics_loss_by_hand():
    values, returns = jnp.asarray([1.5, 1.1, 0.0]), jnp.asarray([2.0, 2.0, -1.0])
    # Clipped to 1.2, 1.1 and 0.8: the larger of the two errors counts.
    found = value_loss(values, jnp.ones(3), returns, 0.2)
    close(found, [0.5 * 0.8**2, 0.5 * 0.9**2, 0.5 * 1.8**2])
