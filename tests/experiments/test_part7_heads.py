"""Part 7's mask, head ablation and induction heads at toy size."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import unbox
from PIL import Image

from experiments.part7 import ablation, induction, mask, repeats, writing
from experiments.part7.setting import Setting
from nnguide.config import InputError
from nnguide.data.text import TextSource
from nnguide.tokenizer.characters import Characters
from nnguide.transformer.model import initial_params

TOY_MASK = mask.Config(steps=50, windows=16, rows=2, new_tokens=8)
TOY_INDUCTION = induction.Config(
    one_layer_steps=50, two_layer_steps=50, fixed_steps=50, examples=32
)


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    sentence = "a noun hears its adjective, a pronoun hears its noun. "
    tokenizer = Characters.of(sentence)
    tokens = tokenizer.encode(100 * sentence).astype(np.uint16)
    text = TextSource(
        tokens[:4000],
        tokens[4000:],
        tokenizer,
        tokenizer.vocabulary_size,
        "a sentence",
        "",
    )
    return Setting(text, 0, tmp_path_factory.mktemp("part7"), "light")


def check_study(setting, measured, pictures):
    """No name twice, nothing unexpected, every picture with its numbers."""
    claims, figures = measured
    assert len({claim.id for claim in claims}) == len(claims)
    assert not [claim for claim in claims if claim.as_expected is False]
    assert figures == [f"figures/{name}.png" for name in pictures]
    for name in figures:
        with Image.open(setting.workdir / name) as picture:
            assert picture.width == 2400
        assert np.load((setting.workdir / name).with_suffix(".npz")).files
    return {claim.id.removeprefix("7."): claim for claim in claims}


@pytest.mark.parametrize(
    ("group", "fields", "says"),
    [
        (induction, {"fixed_steps": 60}, "--induction.fixed_steps=60: give a multiple"),
        (induction, {"examples": 40}, "--induction.examples=40: give a multiple of 32"),
        (induction, {"examples": 0}, "--induction.examples=0: give 32 or more"),
        (mask, {"windows": 20}, "--mask.windows=20: give a multiple of 16"),
        (mask, {"steps": 0}, "--mask.steps=0: give a multiple of 50"),
        (mask, {"rows": 1}, "--mask.rows=1: give 2 or more"),
        (ablation, {"parts": 1}, "--ablation.parts=1: give 2 or more"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(group, fields, says):
    with pytest.raises(InputError, match=says):
        group.Config(**fields)


# --- the mask ------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_mask_is_exact_and_nothing_else_hides_later_tokens(setting):
    row, key = setting.text.validation[:64], jax.random.key(1)
    for causal, share in ((True, 0.0), (False, 1.0)):
        shape = mask.model(setting, causal)
        params = jax.jit(lambda key, s=shape: unbox(initial_params(s, key)))(key)
        assert mask.heard_early(shape, params, row, key) == share


@pytest.mark.slow
def test_the_mask_study_draws_what_it_claims(setting):
    claims = check_study(setting, mask.study(TOY_MASK, setting), ["mask"])
    assert {name for name, claim in claims.items() if claim.as_expected} == {
        "mask_exact",
        "without_mask_heard",
    }
    kept = np.load(setting.workdir / "figures/mask.npz")
    losses = kept["losses_by_place"].mean(1)
    assert claims["with_mask_loss"].measured == pytest.approx(losses[0], rel=1e-6)
    medians = np.median(kept["surprises"], axis=1)
    above = medians - medians[2]
    assert claims["without_mask_samples"].measured == pytest.approx(above[3])


def test_with_the_mask_a_model_writes_as_well_as_it_reads(setting):
    """What it says is the same whether the later tokens are there or not."""
    tokens = setting.text.validation[: 2 * 64 + 1]
    for causal in (True, False):
        shape = mask.model(setting, causal)
        params = jax.jit(lambda key, s=shape: unbox(initial_params(s, key)))(
            jax.random.key(0)
        )
        reading = mask.losses_by_place(shape, params, tokens)
        writing_ = mask.losses_when_writing(shape, params, mask.windows_of(tokens))
        same = np.isclose(reading, writing_, rtol=1e-5)
        # without the mask, only at the last place is there nothing more to see
        assert same.all() if causal else same.mean(0).tolist() == 63 * [0.0] + [1.0]


def test_a_text_too_short_for_the_windows_names_the_remedy(setting):
    with pytest.raises(InputError, match=r"--mask.windows=256: .* give 16 at most"):
        mask.study(mask.Config(), setting)


def test_the_bigram_model_writes_only_pairs_it_has_seen():
    train = np.array([3, 1, 2, 1, 2, 0, 1], np.uint16)  # its end meets its beginning
    prompts = np.array([[0], [2], [1]], np.int32)
    written = writing.write_bigram(train, prompts, 200, seed=0)
    rows = np.concatenate([prompts, written], axis=1)
    pairs = {(int(a), int(b)) for row in rows for a, b in itertools.pairwise(row)}
    assert pairs == {(3, 1), (1, 2), (2, 1), (2, 0), (0, 1), (1, 3)}
    after_one = rows[:, 1:][rows[:, :-1] == 1]
    assert np.mean(after_one == 2) == pytest.approx(2 / 3, abs=0.1)
    unknown = writing.write_bigram(train, np.array([[9]], np.int32), 50, seed=0)
    assert set(unknown[0].tolist()) == {0, 1, 2, 3}


def test_the_text_itself_surprises_less_than_noise(setting):
    text = setting.text
    windows = text.validation[:300].reshape(3, 100).astype(np.int32)
    noise = np.random.default_rng(0).integers(0, text.vocabulary_size, (3, 68))
    own = writing.surprise_of(text, windows[:, :32], windows[:, 32:])
    other = writing.surprise_of(text, windows[:, :32], noise.astype(np.int32))
    assert own.shape == (3,)
    assert own.max() < 0.5 < 2 < other.min()


def test_an_excerpt_is_one_line_of_plain_letters():
    tokenizer = Characters.of("a\n\u00e9$")
    tokens = tokenizer.encode("a\na\u00e9$").astype(np.int32)
    assert writing.on_one_line(tokenizer, tokens) == "a\u21b5a\u00b7$"
    assert writing.on_one_line(None, np.array([5, 7])) == "5 7"


def test_more_to_write_or_to_judge_than_there_is_names_the_remedy(setting):
    long = dataclasses.replace(TOY_MASK, new_tokens=2000)
    with pytest.raises(
        InputError, match=r"--mask.new_tokens=2000: .* give 993 at most"
    ):
        mask.check_text(long, setting.text)
    with pytest.raises(InputError, match=r"--ablation.parts=17: .* has 16 windows"):
        ablation.check_text(ablation.Config(parts=17), TOY_MASK, setting.text)


# --- head ablation -------------------------------------------------------------------


def test_every_head_is_removed_once():
    kept = ablation.removals(2, 3)
    gone = [np.argwhere(each == 0).tolist() for each in kept]
    assert gone == [
        [],
        *[[[layer, head]] for layer in range(2) for head in range(3)],
        [[0, 0], [0, 1], [0, 2]],
        [[1, 0], [1, 1], [1, 2]],
        [[layer, head] for layer in range(2) for head in range(3)],
    ]


def test_ablation_takes_the_model_of_the_mask_study(setting):
    measured = ablation.study(ablation.Config(parts=2), TOY_MASK, setting)
    check_study(setting, measured, ["head_ablation"])
    kept = np.load(setting.workdir / "figures/head_ablation.npz")
    assert kept["single"].shape == (2, 4, 2)
    params = mask.train_gpt(TOY_MASK, setting)
    tokens = mask.heldout(TOY_MASK, setting.text)
    whole = mask.losses_by_place(mask.model(setting), params, tokens)
    np.testing.assert_allclose(kept["loss"].mean(), whole.mean(), rtol=1e-5)


# --- induction -----------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("name", list(repeats.DRAW))
def test_what_counts_is_known_from_the_row_alone(name):
    """Wherever a prediction counts, the target followed the same token before."""
    batch = jax.vmap(repeats.DRAW[name])(jax.random.split(jax.random.key(0), 50))
    tokens, counts = np.asarray(batch["tokens"]), np.asarray(batch["counts"])
    assert tokens.shape == (50, 65)
    for row, counted in zip(tokens, counts, strict=True):
        period = int(np.argmax(counted))
        assert counted.tolist() == [float(place >= period) for place in range(64)]
        np.testing.assert_array_equal(row[period:], row[: 65 - period])
        if name == "random_period":
            assert len(set(row[:period])) == period  # nothing repeats before
    periods = np.argmax(counts, axis=1)
    low, high = (32, 32) if name == "fixed_length" else repeats.PERIODS
    assert low <= periods.min() <= periods.max() <= high
    assert name == "fixed_length" or periods.max() - periods.min() > 20


def copying_by_hand() -> tuple[Any, Any]:
    """One layer whose heads attend to all tokens alike and write nothing."""
    shape = repeats.model(1)
    params = jax.jit(lambda key: unbox(initial_params(shape, key)))(jax.random.key(0))
    attention = params["blocks"]["attention"]
    for name in ("query", "value_up"):
        attention[name]["kernel"] *= 0
    return shape, params


def test_judging_counts_what_repeats_and_no_more():
    shape, params = copying_by_hand()
    batch = jax.vmap(repeats.random_period)(jax.random.split(jax.random.key(1), 16))
    judged = jax.jit(lambda params: repeats.judge(shape, params, batch))(params)
    counts = np.asarray(batch["counts"])
    periods = np.argmax(counts, axis=1)
    places = np.arange(64)
    # place t has floor(t / p) earlier occurrences, each with its share of 1 / (t + 1)
    shares = (places // periods[:, None]) / (places + 1)
    expected = (shares * counts).sum() / counts.sum()
    np.testing.assert_allclose(judged.induction, np.full((1, 4), expected), rtol=1e-5)
    latest = (counts / (places + 1)).sum() / counts.sum()
    np.testing.assert_allclose(judged.latest, np.full((1, 4), latest), rtol=1e-5)
    first = (1 - counts) * (places > 0)
    before = (first / (places + 1)).sum() / first.sum()
    np.testing.assert_allclose(judged.before, np.full((1, 4), before), rtol=1e-5)
    assert float(judged.loss) == pytest.approx(np.log(64), rel=0.02)


def test_heads_go_in_the_order_of_their_scores():
    shape = repeats.model(2)
    params = jax.jit(lambda key: unbox(initial_params(shape, key)))(jax.random.key(0))
    batch = jax.vmap(repeats.random_period)(jax.random.split(jax.random.key(1), 4))
    kernel = params["blocks"]["attention"]["value_up"]["kernel"]
    # the only head that writes is the third of the first layer
    only = jnp.zeros_like(kernel).at[0, 32:48].set(100 * kernel[0, 32:48])
    params["blocks"]["attention"]["value_up"]["kernel"] = only
    scores = np.array([0.1, 0.2, 0.3, 0.9])
    losses = repeats.heads_removed(shape, params, batch, scores)
    assert losses[0] == losses[1] != losses[2] == losses[3] == losses[4]


@pytest.mark.slow
def test_induction_at_toy_size(setting):
    names = ["induction_layers", "induction_patterns", "induction_heads"]
    claims = check_study(setting, induction.study(TOY_INDUCTION, setting), names)
    assert all(claim.as_expected is None for claim in claims.values())
    kept = np.load(setting.workdir / "figures/induction_heads.npz")
    ratio = kept["losses"][-1] / kept["one_layer"]
    assert claims["induction_without_heads"].measured == pytest.approx(ratio, rel=1e-5)
    assert kept["induction"].shape == (2, 4)


@pytest.mark.slow
def test_every_claim_of_the_full_run_is_as_expected(tmp_path):
    from nnguide.data.text import TextConfig, load_text

    setting = Setting(load_text(TextConfig()), 0, tmp_path, "light")
    claims = [
        *induction.study(induction.Config(), setting)[0],
        *mask.study(mask.Config(), setting)[0],
        *ablation.study(ablation.Config(), mask.Config(), setting)[0],
    ]
    assert not [claim for claim in claims if claim.as_expected is not True]
    verdicts = {claim.id: claim.verdict for claim in claims}
    assert verdicts["7.induction_fixed_length"] == "false"
    assert verdicts["7.induction_one_layer"] == "holds"
