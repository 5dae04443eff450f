"""Rank-one edits of a small GPT: what they change, and what else.

Each edit gives one person a new answer to one relation, learned in one wording. It is
asked for again with other fillers (efficacy), in the other wordings (paraphrase), of
people who share a name with the person (neighbourhood), and what else is known of the
person is asked (other facts). Always the exact answer counts, not merely its being
likelier than the old one, as in the paper.

Source: Meng et al., arXiv 2202.05262; that tracing does not tell where to edit: Hase et
al., arXiv 2301.04213.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.facts import editing
from nnguide.facts.people import (
    ANSWERS,
    RELATIONS,
    ROLES,
    WORDINGS,
    People,
    Question,
    another_answer,
    ask,
)
from nnguide.facts.tracing import Prompts, asked, read
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer

TESTS = ("efficacy", "paraphrase", "neighbourhood", "other facts")
PLACES = ("last name", "last token")  # whose keys are edited
METHODS: tuple[str, ...] = (*PLACES, "fine-tuning")
_LEARNED_FROM, _AGAIN, _NEIGHBOURS = 5, 4, 16  # prompts
_AT_ONCE = 10  # edits
# Adam on what the MLP block adds, and on the whole kernel
_VALUE: Any = {"steps": 25, "rate": 0.2, "pull": 1e-3}
_FINE_TUNING: Any = {"steps": 25, "rate": 5e-3}


class Edit(NamedTuple):
    """Edits, and what tests them; every array leads with the edits.

    Attributes:
      learned: prompts in the first wording, with the new answer.
      tests: the prompts of each of TESTS, with the answers that should come.
    """

    learned: Prompts
    tests: tuple[Prompts, ...]


def draw_edits(people: People, count: int, seed: int) -> Edit:
    """New answers for different people, each to one relation, drawn by lot."""
    rng = np.random.default_rng(seed)
    names = np.asarray(people.names)
    person = rng.permutation(len(names))[:count, None]
    relation = rng.integers(0, len(RELATIONS), (count, 1))
    step = rng.integers(1, ANSWERS, (count, 1))
    others = (relation + np.repeat(np.arange(1, len(RELATIONS)), WORDINGS)) % 3
    near = np.array([_share_a_name(names, int(each), rng) for each in person[:, 0]])
    again = (WORDINGS - 1) * _AGAIN
    rows: tuple[tuple[np.ndarray, ...], ...] = (
        # whom to ask about what in which wording, and how far off the answer shall be
        (person, relation, np.zeros((1, _LEARNED_FROM), int), step),
        (person, relation, np.zeros((1, _AGAIN), int), step),
        (person, relation, 1 + np.arange(again)[None] // _AGAIN, step),
        (near, relation, rng.integers(0, WORDINGS, near.shape), 0 * step),
        (person, others, np.arange(others.shape[1])[None] % WORDINGS, 0 * step),
    )
    whole = [np.broadcast_arrays(*row) for row in rows]
    columns = [jnp.asarray(np.hstack(each)) for each in zip(*whole, strict=True)]
    prompts = _ask_all(people, *columns, jax.random.key(seed))
    ends = np.cumsum([row[0].shape[1] for row in whole])[:-1]
    learned, *tests = (
        Prompts(*parts)
        for parts in zip(
            *(jnp.split(leaf, ends, axis=1) for leaf in prompts), strict=True
        )
    )
    return Edit(learned, tuple(tests))


@jax.jit
def _ask_all(
    people: People, person: Array, relation: Array, wording: Array, step: Array,
    key: Key,
) -> Prompts:  # fmt: skip
    """(edits, prompts) of them, with answers a step away from the true ones."""
    flat = [each.reshape(-1) for each in (person, relation, wording)]
    keys = jax.random.split(key, person.size)
    no_aside = jnp.full(person.size, -1)
    prompts = ask(people, Question(flat[0], flat[1], flat[2], no_aside, keys))
    prompts = jax.tree.map(
        lambda leaf: leaf.reshape(*person.shape, *leaf.shape[1:]), prompts
    )
    return prompts._replace(answers=another_answer(prompts.answers, step))


def _share_a_name(
    names: Int[np.ndarray, "people 2"], person: int, rng: np.random.Generator
) -> np.ndarray:
    """People with the same first or the same last name."""
    shared = np.flatnonzero((names == names[person]).any(axis=1))
    return rng.choice(shared[shared != person], _NEIGHBOURS)


def score_edits(
    config: TransformerConfig,
    params: Params,
    edits: Edit,
    text: Int[Array, "B T"],
) -> Float[np.ndarray, "methods L tests"]:
    """Makes every edit in every layer by every method, and tests it.

    Args:
      config: of the transformer.
      params: of the model that knows the facts.
      edits: to be made, each on the model as it was.
      text: sentences whose keys C is the second moment of.

    Returns:
      Shares of right answers, means over the edits: the rank-one edit with the key of
      the last name, with that of the last token, and fine-tuning.
    """
    roles = jnp.repeat(jnp.array([ROLES.index(each) for each in PLACES]), config.layers)
    layers = jnp.arange(config.layers)
    rank_one = functools.partial(_rank_one, config)
    fine_tuned = functools.partial(_fine_tuned, config)

    @jax.jit
    def score(params: Params, edits: Edit, text: Array) -> Array:
        neurons = read(config, params, text).neurons
        flat = neurons.reshape(*neurons.shape[:1], -1, neurons.shape[-1])
        moments = jax.vmap(editing.second_moment)(flat)

        def mean(kernel_of: Callable[..., Array], layer: Array, *where: Array) -> Array:
            def test(edit: Edit) -> Array:
                kernel = kernel_of(params, edit.learned, layer, *where)
                changed = editing.with_down_projection(params, layer, kernel)
                shares = [right(config, changed, each).mean() for each in edit.tests]
                return jnp.stack(shares)

            return jax.lax.map(test, edits, batch_size=_AT_ONCE).mean(axis=0)

        by_key = jax.lax.map(
            lambda site: mean(rank_one, site[0], site[1], moments[site[0]]),
            (jnp.tile(layers, len(PLACES)), roles),
        )
        by_gradient = jax.lax.map(lambda layer: mean(fine_tuned, layer), layers)
        return jnp.concatenate([by_key, by_gradient])

    return np.asarray(score(params, edits, text)).reshape(
        len(METHODS), config.layers, len(TESTS)
    )


def _rank_one(
    config: TransformerConfig, params: Params, learned: Prompts, layer: Array,
    role: Array, moment: Array,
) -> Float[Array, "F D"]:  # fmt: skip
    """The kernel after an edit at one token's key, its mean over the prompts."""
    move = editing.wanted_move(config, params, layer, learned, role, **_VALUE)
    neurons = read(config, params, learned.tokens).neurons[layer]
    places = learned.places[:, role]
    key = neurons[jnp.arange(len(places)), places].mean(axis=0)
    return editing.rank_one(editing.down_projection(params, layer), key, move, moment)


def _fine_tuned(
    config: TransformerConfig, params: Params, learned: Prompts, layer: Array
) -> Float[Array, "F D"]:
    return editing.fine_tuned(config, params, layer, learned, **_FINE_TUNING)


def right(
    config: TransformerConfig, params: Params, prompts: Prompts
) -> Bool[Array, "B"]:
    """Whether each answer is the likeliest token."""
    logits = jnp.asarray(Transformer(config).apply({"params": params}, prompts.tokens))
    return jnp.argmax(asked(logits, prompts), axis=-1) == prompts.answers


def together(
    scores: Float[np.ndarray, "*methods tests"],
) -> Float[np.ndarray, "*methods"]:
    """The harmonic mean of scores; of the first three tests it is the paper's S."""
    return scores.shape[-1] / (1 / np.maximum(scores, 1e-9)).sum(axis=-1)
