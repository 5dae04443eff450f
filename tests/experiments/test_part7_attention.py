"""Part 7's launcher, and its studies of moles, adjectives, scores, values and cost."""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import unbox
from PIL import Image

from experiments import part7_attention as part7
from experiments import study as shared
from experiments.part7 import adjective, cost, mole, scaling, value_rank
from experiments.part7.adjective_by_hand import by_hand
from experiments.part7.setting import Setting
from nnguide.config import InputError
from nnguide.data.text import TextConfig, TextSource, load_text
from nnguide.transformer.config import GPT3
from nnguide.transformer.model import initial_params
from nnguide.transformer.tracing import trace

TOY = part7.Config(
    mole=mole.Config(steps=50, examples=1000),
    adjective=adjective.Config(steps=50, examples=50),
    scaling=scaling.Config(widths=(8, 128), heads=2),
    value_rank=value_rank.Config(steps=50, networks=1),
    cost=cost.Config(contexts=(16, 32), repeats=1),
)
MINE = {
    "mole": (mole, TOY.mole, ["mole", "mole_cosines"]),
    "adjective": (
        adjective,
        TOY.adjective,
        ["adjective_by_hand", "adjective_learned"],
    ),
    "scaling": (scaling, TOY.scaling, ["scaling", "mask_before_and_after"]),
    "value_rank": (value_rank, TOY.value_rank, ["value_rank"]),
    "cost": (cost, TOY.cost, ["attention_cost"]),
}


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    text = load_text(TextConfig())
    return Setting(text, 0, tmp_path_factory.mktemp("part7"), "light")


@pytest.mark.parametrize(
    ("group", "fields", "says"),
    [
        (mole, {"steps": 60}, "--mole.steps=60: give a multiple of 50"),
        (mole, {"examples": 9}, "--mole.examples=9: give 1000 or more"),
        (adjective, {"steps": 0}, "--adjective.steps=0: give a multiple of 50"),
        (scaling, {"widths": (1, 2)}, "--scaling.widths=1,2: 128 is missing"),
        (scaling, {"widths": (128, 2)}, "--scaling.widths=128,2: give one or more"),
        (value_rank, {"networks": 0}, "--value_rank.networks=0: give 1 or more"),
        (cost, {"contexts": (64,)}, "--cost.contexts=64: no line"),
        (cost, {"repeats": 0}, "--cost.repeats=0: give 1 or more"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(group, fields, says):
    with pytest.raises(InputError, match=says):
        group.Config(**fields)


LONG = ("mole", "adjective", "value_rank")


@pytest.mark.parametrize(
    "name",  # their trainings take their time to compile
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in MINE],
)
def test_a_toy_study_claims_nothing_unexpected_and_draws(name, setting):
    group, config, pictures = MINE[name]
    claims, figures = group.study(config, setting)
    assert len({claim.id for claim in claims}) == len(claims)
    assert not [claim.id for claim in claims if claim.as_expected is False]
    assert figures == [f"figures/{picture}.png" for picture in pictures]
    for figure in figures:
        with Image.open(setting.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((setting.workdir / figure).with_suffix(".npz")).files


def test_the_launcher_runs_one_study_and_writes_its_results(tmp_path):
    config = dataclasses.replace(TOY, study="scaling", workdir=str(tmp_path))
    results = part7.run(config)
    content = json.loads((tmp_path / "results.json").read_text())
    assert [claim["id"] for claim in content["claims"]] == [
        c.id for c in results.claims
    ]
    assert content["experiment"] == "part7_attention"
    assert set(part7.studies(config)) == {*MINE, "mask", "ablation", "induction"}


# --- mole ----------------------------------------------------------------------------


@pytest.mark.smoke
def test_no_reader_beats_the_majority_of_the_cues():
    assert mole.ceiling(1, 0.15, 3) == pytest.approx(0.85)
    assert mole.ceiling(6, 0.15, 3) == pytest.approx(0.98962, abs=1e-5)
    read = shared.examples(mole.sentence, 4000, 0)
    tokens = np.asarray(read["tokens"])[:, : mole.CONTEXT]
    subject = (tokens - mole._FIRST_CUE) // mole.CUES
    cue = tokens < mole._FIRST_FILLER
    assert (cue.sum(axis=1) == mole.CUES_IN_CONTEXT).all()
    votes = np.stack([(cue & (subject == s)).sum(axis=1) for s in range(3)], axis=1)
    own = votes[np.arange(4000), read["sense"]]
    best = votes.max(axis=1)
    majority = (own == best) / (votes == best[:, None]).sum(axis=1)
    assert majority.mean() == pytest.approx(0.9896, abs=0.006)
    assert own.sum() / cue.sum() == pytest.approx(0.85, abs=0.01)


def test_the_answer_names_the_last_word_and_its_meaning():
    read = shared.examples(mole.sentence, 100, 0)
    word, answer = np.asarray(read["tokens"])[:, -2:].T
    assert (word == read["word"]).all()
    assert (answer - mole._FIRST_ANSWER == word * 3 + np.asarray(read["sense"])).all()
    assert np.asarray(read["counts"]).sum(axis=1).tolist() == [1] * 100


def test_training_and_evaluation_share_no_sentence():
    train = shared.drawn(mole.sentence, 64, 0)
    test = shared.drawn_evaluation(mole.sentence, 64, 128, 0)
    rows = [next(train.stream(5)), *test.stream(0)]
    assert len({int(row) for batch in rows for row in batch}) == 3 * 64
    first = train.assemble((), rows[0], None)["tokens"]
    again = train.assemble((), rows[0], jax.random.key(9))["tokens"]
    np.testing.assert_array_equal(first, again)


def test_cosines_and_centroids_of_known_vectors():
    """Word 0 and word 1 stand at right angles; a meaning turns its word's vector."""
    word = np.repeat(np.arange(mole.WORDS), 2 * mole.SENSES)
    sense = np.tile(np.arange(mole.SENSES), 2 * mole.WORDS)
    order = np.concatenate([np.arange(0, 48, 2), np.arange(1, 48, 2)])
    word, sense = np.tile(word[order], 2), np.tile(sense[order], 2)
    generic = np.eye(mole.WORDS + mole.SENSES)[word]
    refined = generic + np.eye(mole.WORDS + mole.SENSES)[mole.WORDS + sense]
    streams = mole.measure(np.stack([generic, refined]), word, sense)
    np.testing.assert_allclose(streams.same, [1, 1])
    np.testing.assert_allclose(streams.across, [1, 0.5])
    np.testing.assert_allclose(streams.random, [0, 1 / 6], atol=1e-9)
    np.testing.assert_allclose(streams.sense, [1 / 3, 1])


def test_the_drawn_directions_keep_what_the_embedding_says():
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(1, 1, 9)), 30, axis=1)
    refined = vectors + rng.normal(size=(1, 30, 9))
    places = mole.in_three_dimensions(
        np.concatenate([vectors, refined]), np.arange(30) % 3
    )
    np.testing.assert_allclose(places[0], np.tile([0, 0, 1.0], (30, 1)), atol=1e-7)
    assert (np.linalg.norm(places[1], axis=-1) <= 1 + 1e-6).all()


# --- adjective -----------------------------------------------------------------------


@pytest.mark.smoke
def test_nouns_look_at_their_adjectives_and_nowhere_else():
    built = by_hand()
    creature, forest = np.zeros(8), np.zeros(8)
    creature[[1, 2]], forest[6] = 0.5, 1.0
    np.testing.assert_allclose(built.pattern[3], creature, atol=1e-5)
    np.testing.assert_allclose(built.pattern[7], forest, atol=1e-5)
    np.testing.assert_allclose(built.change[3, :8], creature, atol=1e-5)
    np.testing.assert_allclose(built.change[7, :8], forest, atol=1e-5)
    np.testing.assert_allclose(built.change[[0, 1, 2, 4, 5, 6]], 0, atol=1e-5)


def test_the_own_values_along_the_pattern_change_nothing():
    params = unbox(initial_params(adjective.MODEL, jax.random.key(0)))
    tokens = shared.examples(adjective.sentence, 4, 0)["tokens"][:, :-1]

    @jax.jit
    def logits(other: Any) -> Any:
        passed = trace(adjective.MODEL, params, tokens)
        return passed.logits, adjective.with_values(passed, params, tokens, other)

    plain, same = logits(tokens)
    np.testing.assert_allclose(same, plain, atol=1e-6)
    _, changed = logits(tokens.at[:, 0].set((tokens[:, 0] + 1) % 40))
    assert float(abs(changed - plain).max()) > 1e-6


def test_every_sentence_has_two_pairs_and_asks_for_the_second():
    read = shared.examples(adjective.sentence, 200, 0)
    tokens, at = np.asarray(read["tokens"]), np.asarray(read["noun_place"])
    rows = np.arange(200)
    assert (tokens[rows, at - 1] == read["adjective"]).all()
    assert (tokens[rows, at] - adjective.ADJECTIVE_COUNT == read["noun"]).all()
    wanted = adjective.answer_to(read["adjective"], read["noun"])
    assert (tokens[rows, at + 1] == wanted).all()
    before = np.arange(10) < at[:, None]
    assert ((tokens < 20) & before).sum(axis=1).tolist() == [2] * 200
    assert set(at) == {3, 4, 5, 6, 7}


# --- scaling -------------------------------------------------------------------------


def test_scores_of_narrow_heads_are_those_of_their_own_width():
    """Padding with zeros changes nothing: entropies by hand, for one width."""
    config = scaling.Config(widths=(4, 128), heads=3)
    measured = scaling.measure(config, 0)
    key = jax.random.fold_in(jax.random.key(0), 4)
    drawn = jax.random.normal(key, (2, 3, 64, 1, 128), jnp.float32)
    query, keys = np.asarray(drawn)[:, :, :, 0, :4]
    scores = np.einsum("BTK,BSK->BTS", query, keys)
    assert measured.std[0] == pytest.approx(scores.std(), rel=1e-4)
    for column, divisor in enumerate((2.0, 1.0)):
        each = np.exp(scores / divisor)
        each /= each.sum(axis=-1, keepdims=True)
        entropy = -(each * np.log(each)).sum(axis=-1).mean()
        assert measured.entropy[0, column] == pytest.approx(entropy, rel=1e-4)
        largest = each.max(axis=-1).mean()
        assert measured.largest[0, column] == pytest.approx(largest, rel=1e-4)


def test_only_minus_infinity_before_the_softmax_hides_later_words():
    masks = scaling.mask_both_ways(3)
    np.testing.assert_allclose(masks.before.sum(axis=1), 1, rtol=1e-6)
    assert masks.felt_before == 0
    assert masks.felt_after > 1e-3
    assert masks.after[0].sum() < 1


# --- value rank ----------------------------------------------------------------------


def test_a_whole_map_can_do_what_two_factors_do():
    """The factors' product put into the whole map gives the same logits."""
    config, tokens = value_rank.model(11), jnp.arange(10)[None] % 11

    def logits(whole: bool, params: Any) -> Any:
        return value_rank.Reader(config, whole).apply({"params": params}, tokens)

    params = unbox(value_rank.task(config, False).init(jax.random.key(0)))
    params["attention"]["value_up"]["kernel"] *= 30  # or nothing would be seen
    maps = jnp.asarray(value_rank.value_maps(params, False))
    kept = {name: params["attention"][name] for name in ("query", "key")}
    kernel = maps.swapaxes(0, 1).reshape(value_rank.WIDTH, -1)
    moved = {**params, "attention": {**kept, "value": {"kernel": kernel}}}
    wanted = logits(False, params)
    np.testing.assert_allclose(logits(True, moved), wanted, atol=1e-5)
    np.testing.assert_allclose(value_rank.value_maps(moved, True), maps)
    ranks = np.linalg.matrix_rank(np.asarray(maps), tol=1e-6)
    assert ranks.tolist() == [16] * 4
    without = jax.tree.map(jnp.copy, moved)
    without["attention"]["value"]["kernel"] *= 0
    assert not np.allclose(logits(True, without), wanted, atol=1e-3)


def test_a_text_too_short_to_judge_by_is_refused(setting):
    text = setting.text
    short = TextSource(
        text.train, text.validation[:9], None, text.vocabulary_size, "", ""
    )
    with pytest.raises(InputError, match="9 tokens of validation"):
        value_rank.check_text(short)


# --- cost ----------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_exponent_is_the_slope_of_the_long_end():
    contexts = np.array([256.0, 512, 1024, 2048, 4096])
    bent = np.where(contexts < 1024, 1024.0**2, contexts**2)
    assert cost.exponent(contexts, bent) == pytest.approx(2)
    assert cost.exponent(contexts[:2], contexts[:2] ** 1.5) == pytest.approx(1.5)


def test_the_share_of_the_pattern_is_half_at_six_widths():
    row = cost.share_of("GPT-3", GPT3, 6 * GPT3.embedding)
    assert row.share == pytest.approx(0.5)
    own = cost.share_of("GPT-3", GPT3, GPT3.context)
    assert own.share == pytest.approx(2048 / (2048 + 6 * 12_288))
    assert own.gigabytes == pytest.approx(2 * 96 * 96 * 2048**2 / 1e9)


def test_flops_are_four_times_the_square_times_the_width():
    measured = cost.measure(cost.Config(contexts=(16, 32), repeats=1), 0)
    np.testing.assert_array_equal(measured.flops, [4 * 16**2 * 64, 4 * 32**2 * 64])
    assert (measured.seconds > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", MINE)
def test_every_claim_of_the_full_study_is_as_expected(name, setting, tmp_path):
    group = MINE[name][0]
    claims, _ = group.study(group.Config(), setting._replace(workdir=tmp_path))
    assert not [claim.id for claim in claims if claim.as_expected is not True]
