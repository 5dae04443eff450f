"""Rollouts are data: with a cache or without, resumed or not, one update follows."""

import dataclasses
import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide import training
from nnguide.config import InputError
from nnguide.language import grpo, ppo
from nnguide.language.generation import Generated, pad_prompts
from nnguide.language.grpo import GrpoConfig
from nnguide.language.log_probabilities import (
    answer_stream,
    log_probabilities,
    of_answers,
)
from nnguide.language.ppo import PpoConfig
from nnguide.language.rollout import (
    Answers,
    Prompts,
    _answers,
    drawn_prompts,
    joined,
    make_writer,
)
from nnguide.language.scalar_head import read_head, with_head
from nnguide.language.token_shares import token_shares
from nnguide.parallel import ParallelConfig
from nnguide.training import OptimizerConfig, Rounds, Task
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer, initial_params

CONFIG = TransformerConfig(
    vocabulary=9,
    context=10,
    layers=1,
    embedding=16,
    heads=2,
    dropout=0.0,
    initial_std=0.3,
)
MODULE = Transformer(CONFIG)
STOP, LIKED = 0, 5
PROMPTS = Prompts(*pad_prompts([[1, 2, 3], [4], [2, 2]], 10, 9))
GROUPS = GrpoConfig(prompts=2, group=4, beta=0.1)
SINGLE = PpoConfig(rows=8, beta=0.1)


@pytest.fixture(scope="module")
def params():
    return jax.jit(lambda key: nn.unbox(initial_params(CONFIG, key)))(jax.random.key(0))


def likes(answers: Answers, numbers):
    """How many of an answer's tokens are the one that is liked."""
    return ((answers.tokens == LIKED) * answers.counts).sum(-1)


def writer(cached=True, group=1):
    return make_writer(CONFIG, 6, (STOP,), cached=cached, group=group)


@functools.cache
def rollout(algorithm, cached=True):
    start = nn.unbox(initial_params(CONFIG, jax.random.key(0)))
    common = (PROMPTS, likes, start)
    if algorithm == "grpo":
        return grpo.make_rollout(MODULE, GROUPS, writer(cached, 4), *common)
    return ppo.make_rollout(MODULE, SINGLE, writer(cached), *common)


@jax.jit
def likely(params, rows):
    """Log p of the answers' tokens, in the shape of the rows."""
    answers = rows["answers"].reshape(-1, 6)
    found = of_answers(MODULE, params, rows["prompt"], rows["prompt_length"], answers)
    return found.reshape(rows["answers"].shape)


def functions(algorithm):
    if algorithm == "grpo":
        return grpo.functions(CONFIG, GROUPS)
    return ppo.functions(CONFIG, SINGLE)


def start_of(algorithm, params):
    return params if algorithm == "grpo" else with_head(params, 16)


def fit(algorithm, params, workdir=None, rounds=4, rate=3e-3):
    config = training.Config(
        steps=rounds * 4,
        log_every=4,
        save_every=4,
        steps_per_call=2,
        progress=False,
        parallel=ParallelConfig(devices=1),
    )
    return training.fit_alternating(
        Task(*functions(algorithm)),
        training.make_optimizer(OptimizerConfig("adamw", rate), 16),
        rollout(algorithm),
        Rounds(2, 1, epochs=2) if algorithm == "grpo" else Rounds(8, 4, epochs=2),
        config,
        start=start_of(algorithm, params),
        workdir=workdir,
    )


def test_an_answer_stands_behind_its_prompt():
    new = jnp.asarray([[7, 8, 0, 0], [6, 7, 8, 5], [0, 0, 0, 0]])
    generated = Generated(new, jnp.asarray([3, 4, 1]), jnp.zeros((3, 4)), None)
    answers = _answers(PROMPTS, generated, (STOP,))
    tokens, counts = joined(answers)
    assert tokens.tolist() == [
        [1, 2, 3, 7, 8, 0, 0, 0],
        [4, 6, 7, 8, 5, 0, 0, 0],
        [2, 2, 0, 0, 0, 0, 0, 0],
    ]
    assert counts.tolist() == [
        [0, 0, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0],
    ]
    assert answers.ended.tolist() == [True, False, True]


def test_no_prompt_comes_twice_before_all_came(key):
    asked, numbers = drawn_prompts(PROMPTS, 4, key)
    assert sorted(np.asarray(numbers)[:3]) == [0, 1, 2]
    assert np.array_equal(asked.tokens, PROMPTS.tokens[np.asarray(numbers)])


def test_a_prompt_read_once_for_a_group_is_one_read_for_each_answer(params, key):
    together = writer(group=4)(params, PROMPTS, key)
    each = Prompts(*(np.repeat(leaf, 4, axis=0) for leaf in PROMPTS))
    alone = writer()(params, each, key)
    for one, other in zip(together[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    tokens, counts = joined(together)
    np.testing.assert_array_equal(tokens, joined(alone)[0])
    assert counts.sum() == together.counts.sum()
    found = jax.jit(partial(of_answers, MODULE))(
        params, *together.prompts, together.tokens
    )
    whole = log_probabilities(MODULE, params, tokens)
    acted = np.asarray(together.counts) > 0
    np.testing.assert_allclose(
        np.asarray(found)[acted], np.asarray(whole)[np.asarray(counts) > 0], atol=1e-5
    )


SLOW_PPO = pytest.mark.parametrize(
    "algorithm", ["grpo", pytest.param("ppo", marks=pytest.mark.slow)]
)


@pytest.mark.smoke
@SLOW_PPO
def test_a_rollout_with_a_cache_is_one_without(params, key, algorithm):
    own = start_of(algorithm, params)
    one, other = (rollout(algorithm, cached)(own, 0, key) for cached in (True, False))
    # Log-probabilities, and what is made of them, are rounded in two ways.
    rounded = {"old", "advantages", "returns"}
    for name in one:
        atol = 2e-6 if name in rounded else 0
        np.testing.assert_allclose(
            one[name], other[name], rtol=0, atol=atol, err_msg=name
        )
    assert set(np.asarray(one["length"]).ravel()) != {6.0}  # some stopped
    # The writer's log-probabilities are the loss's to rounding: the ratio starts at 1.
    new = np.where(one["counts"] > 0, likely(params, one), 0)
    np.testing.assert_allclose(one["old"], new, rtol=0, atol=2e-6)


@pytest.mark.parametrize("normalization", ["token", "sequence", "group"])
def test_grpo_by_its_closed_form(params, key, normalization):
    config = dataclasses.replace(GROUPS, normalization=normalization)
    rows = dict(rollout("grpo")(params, 0, key))
    acted = rows["counts"] > 0
    shares = token_shares(acted.astype("float32").reshape(8, 6), normalization, 4)
    rows["counts"] = shares.reshape(2, 4, 6)
    shift = 0.3 * jax.random.normal(key, rows["old"].shape)
    rows |= {"old": rows["old"] + shift, "reference": rows["old"] - shift}
    batch = {**rows, "weight": jnp.ones(2), "example": jnp.arange(2)}
    loss = jax.jit(grpo.functions(CONFIG, config).loss)
    (total, weight), metrics = loss(params, batch, key)

    new = np.asarray(likely(params, rows), float).reshape(8, 6)
    old, reference = (
        np.asarray(rows[name], float).reshape(8, 6) for name in ("old", "reference")
    )
    worth = np.asarray(rows["reward"], float).reshape(2, 4)
    spread = worth.std(-1, keepdims=True) + 1e-4
    advantage = ((worth - worth.mean(-1, keepdims=True)) / spread).reshape(8, 1)
    ratio, apart = np.exp(new - old), reference - new
    each = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
    each = -each + 0.1 * (np.exp(apart) - apart - 1)
    acted = np.asarray(acted).reshape(8, 6)
    means = {
        "token": each[acted].mean(),
        "sequence": np.mean([e[a].mean() for e, a in zip(each, acted, strict=True)]),
        "group": np.mean([each[r][acted[r]].mean() for r in (slice(4), slice(4, 8))]),
    }
    assert float(total / weight) == pytest.approx(means[normalization], abs=1e-6)
    kl = ((old - reference) * acted).sum(-1).mean()
    assert float(metrics["kl"][0] / 8) == pytest.approx(kl, abs=1e-5)


def test_ppo_by_its_closed_form(params, key):
    own = with_head(params, 16)
    own["head"]["kernel"] = 0.1 * jax.random.normal(key, (16, 1))
    rows = dict(rollout("ppo")(own, 0, key))
    rows |= {"old": rows["old"] + 0.3 * jax.random.normal(key, rows["old"].shape)}
    rows |= {"values": rows["values"] - 0.5}  # so that the critic's clip is felt
    batch = {**rows, "weight": jnp.ones(8), "example": jnp.arange(8)}
    (total, weight), _ = jax.jit(ppo.functions(CONFIG, SINGLE).loss)(own, batch, key)

    found = {name: np.asarray(leaf, float) for name, leaf in rows.items()}
    acted = found["counts"] > 0
    ratio = np.exp(np.asarray(likely(params, rows)) - found["old"])
    advantage = found["advantages"]
    better = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
    asked = (rows["prompt"], rows["prompt_length"])
    x = answer_stream(MODULE, params, *asked, rows["answers"])
    values, returns = np.asarray(read_head(own, x), float), found["returns"]
    near = found["values"] + np.clip(values - found["values"], -0.2, 0.2)
    errors = 0.5 * np.maximum((values - returns) ** 2, (near - returns) ** 2)
    expected = (-better + 0.5 * errors)[acted]
    assert float(weight) == acted.sum()
    assert float(total / weight) == pytest.approx(expected.mean(), abs=1e-6)
    assert abs(advantage[acted].mean()) < 1e-6
    assert advantage[acted].var() == pytest.approx(1, abs=1e-4)


@SLOW_PPO
def test_a_stopped_and_resumed_run_ends_bit_equal(params, tmp_path, algorithm):
    straight = fit(algorithm, params, tmp_path / "straight", rounds=2)
    fit(algorithm, params, tmp_path / "resumed", rounds=1)
    resumed = fit(algorithm, params, tmp_path / "resumed", rounds=2)
    jax.tree.map(
        np.testing.assert_array_equal, straight.state.params, resumed.state.params
    )
    files = [tmp_path / name / "metrics.jsonl" for name in ("straight", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_updates_from_rollouts_without_a_cache_are_the_same(params, key):
    """To rounding, of which Adam makes steps where a gradient is 0 by symmetry."""
    loss = grpo.functions(CONFIG, GROUPS).loss

    @jax.jit
    def slopes(params, rows):
        batch = {**rows, "weight": jnp.ones(2), "example": jnp.arange(2)}
        batch["advantage"] = jnp.arange(8.0).reshape(2, 4) - 3.5  # all count
        return jax.grad(lambda p: loss(p, batch, key)[0][0])(params)

    one, other = (
        slopes(params, rollout("grpo", cached)(params, 0, key))
        for cached in (True, False)
    )
    for each, without in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(each, without, rtol=0, atol=2e-6)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(one)) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_in_forty_rounds_most_of_what_is_said_is_liked(params, algorithm):
    history = fit(algorithm, params, rounds=40, rate=1e-2).history
    assert history[-1]["reward"] > history[0]["reward"] + 2


def test_answers_must_fit_the_context(params, key):
    write = make_writer(CONFIG, 7, (STOP,))
    with pytest.raises(InputError, match=r"new_tokens=7: with prompts of 4 .* 10;"):
        write(params, PROMPTS, key)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GrpoConfig(group=1), r"--grpo\.group=1: give 2 or more"),
        (lambda: GrpoConfig(clip=1.0), r"--grpo\.clip=1\.0"),
        (lambda: PpoConfig(normalization="group"), r"--ppo\.normalization=group"),
        (lambda: PpoConfig(trace=1.5), r"--ppo\.trace=1\.5"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
