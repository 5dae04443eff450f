"""Part 6 at toy size, and in full (slow)."""

import dataclasses
import json
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from PIL import Image

from experiments import part6_transformers as part6
from experiments.part6 import (
    context,
    cross_token,
    directions,
    one_pass,
    setting,
    softmax,
    tokens,
    unembedding,
)
from nnguide.config import InputError
from nnguide.data.text import TextConfig, load_text
from nnguide.tokenizer.byte_pairs import BytePairs
from nnguide.tokenizer.byte_values import Bytes
from nnguide.transformer.config import GPT3, TransformerConfig
from nnguide.transformer.model import initial_params

MODEL = TransformerConfig(
    vocabulary=0,
    context=8,
    layers=1,
    embedding=16,
    heads=2,
    dropout=0.0,
    initial_std=0.3,
)
TOY = part6.Config(
    model=MODEL,
    training=setting.Training(steps=50, batch_size=2, networks=2),
    tokens=tokens.Config(sizes=(256, 300), strings=50),
    directions=directions.Config(words=1000),  # test_part6_directions.py
    cross_token=cross_token.Config(tokens=5),
    softmax=softmax.Config(predictions=8),
    context=context.Config(windows=16, texts=4),
    one_pass=one_pass.Config(repeats=1),
)
SIZED = dataclasses.replace(MODEL, vocabulary=11)


def params_of(config):
    return jax.jit(lambda key: nn.unbox(initial_params(config, key)))(jax.random.key(0))


@pytest.fixture(scope="module")
def params():
    return params_of(SIZED)


@pytest.mark.parametrize(
    ("group", "fields", "says"),
    [
        (setting.Training, {"steps": 70}, "--training.steps=70: give a multiple of 50"),
        (setting.Training, {"networks": 0}, "--training.networks=0: give 1 or more"),
        (setting.Training, {"rate": 0.0}, "--training.rate=0.0: give more than 0"),
        (tokens.Config, {"sizes": (512, 256)}, "--tokens.sizes=512,256: give two or "),
        (tokens.Config, {"sizes": (99, 256)}, "--tokens.sizes=99,256: .* from 256 on"),
        (tokens.Config, {"strings": 0}, "--tokens.strings=0: give 1"),
        (cross_token.Config, {"tokens": 1}, "--cross_token.tokens=1: give 2 or more"),
        (softmax.Config, {"predictions": 0}, "--softmax.predictions=0: give 1"),
        (context.Config, {"windows": 7}, "--context.windows=7: give 8 or more"),
        (one_pass.Config, {"repeats": 0}, "--one_pass.repeats=0: give 1 or more"),
        (part6.Config, {"model": GPT3}, None),
        (
            part6.Config,
            {"model": dataclasses.replace(MODEL, tied=False)},
            "--model.tied=False: part 6 looks at a causal",
        ),
        (part6.Config, {"model": MODEL}, "--model.context=8: .*cross_token.tokens=16"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(group, fields, says):
    if says is None:
        group(**fields)
        return
    with pytest.raises(InputError, match=says):
        group(**fields)


def toy_text(folder):
    """A few pages of pydocs."""
    whole = load_text(TextConfig())
    assert whole.tokenizer
    (folder / "toy.txt").write_text(whole.tokenizer.decode(whole.train[:20_000]))
    return TextConfig(f"text:{folder / 'toy.txt'}", tokenizer="byte_pairs:300")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("part6")
    config = dataclasses.replace(TOY, data=toy_text(folder), workdir=str(folder / "w"))
    return config, part6.run(config)


def measured(results):
    return {claim.id: claim.measured for claim in results.claims}


@pytest.mark.slow  # the toy run compiles all studies
def test_no_claim_of_a_toy_run_is_other_than_expected(toy):
    _, results = toy
    assert not [claim for claim in results.claims if claim.as_expected is False]
    unscored = {claim.id for claim in results.claims if claim.as_expected is None}
    of_words = "6.analogies_", "6.simil"
    assert {
        name for name in unscored if not name.startswith(of_words)
    } == {  # what only the full run can tell
        "6.merges_lengthen_tokens",
        "6.characters_of_own_token",
        "6.characters_of_gpt2_token",
        "6.untied_gain",
        "6.context_gain",
        "6.within_context",
        "6.near_and_far",
        "6.price_in_seconds",
        "6.learning_from_all",
    }
    assert len(measured(results)) == len(results.claims)  # no name twice


@pytest.mark.slow  # the toy run compiles all studies
def test_every_picture_is_there_with_its_numbers(toy):
    _, results = toy
    assert len(results.figures) == 11
    for figure in results.figures:
        with Image.open(results.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((results.workdir / figure).with_suffix(".npz")).files


@pytest.mark.slow  # the toy run compiles all studies
def test_a_finished_run_trains_nothing_and_redraws(toy, tmp_path):
    config, results = toy
    workdir = tmp_path / "copy"
    shutil.copytree(results.workdir, workdir)
    trained = [p for p in workdir.glob("*tied/**/*") if p.is_file()]
    before = {path: path.read_bytes() for path in trained}
    assert before
    (workdir / "figures/unembedding.png").unlink()
    config = dataclasses.replace(config, workdir=str(workdir), study="unembedding")
    again = measured(part6.run(config))
    assert again == {name: measured(results)[name] for name in again}
    assert len(again) == 4
    assert (workdir / "figures/unembedding.png").exists()
    assert {path: path.read_bytes() for path in trained} == before


def test_the_parameters_need_no_training(tmp_path):
    config = dataclasses.replace(
        TOY, data=toy_text(tmp_path), study="parameters", workdir=str(tmp_path / "w")
    )
    results = part6.run(config)
    assert measured(results)["6.gpt3_total"] == 175_181_291_520
    assert not (tmp_path / "w/tied").exists()
    content = json.loads((tmp_path / "w/results.json").read_text())
    assert {c["id"]: c["measured"] for c in content["claims"]} == measured(results)


def test_tokens_without_a_tokenizer_are_refused(tmp_path):
    (tmp_path / "t.bin").write_bytes(np.zeros(100, "<u2").tobytes())
    data = TextConfig(f"tokens:{tmp_path / 't.bin'}", vocabulary=9)
    with pytest.raises(InputError, match="give the tokenizer that they were made"):
        part6.run(dataclasses.replace(TOY, data=data, workdir=str(tmp_path / "w")))
    assert not (tmp_path / "w").exists()


# --- the pieces ----------------------------------------------------------------------


@pytest.mark.smoke
def test_the_blocks_of_a_jacobian_are_those_of_finite_differences(params):
    """Also of a norm, whose reverse Jacobian XLA's CPU backend gets wrong."""
    layer: Any = jax.tree.map(lambda leaf: leaf[0], params["blocks"])
    x = jax.random.normal(jax.random.key(1), (6, 16))
    for name, part in cross_token.parts_of(SIZED, layer).items():
        norms = np.asarray(jax.jit(cross_token.block_norms, static_argnums=0)(part, x))
        each = jax.jit(jax.vmap(part))
        steps = 1e-2 * jnp.eye(96).reshape(96, 6, 16)
        change = (each(x[None] + steps) - each(x[None] - steps)) / 2e-2
        squares = np.square(change).reshape(6, 16, 6, 16).sum(axis=(1, 3)).T
        np.testing.assert_allclose(
            norms, np.sqrt(squares), rtol=2e-2, atol=2e-3, err_msg=name
        )


def test_only_attention_carries_from_token_to_token():
    # two layers, and positions of another kind than the toy's
    config = dataclasses.replace(SIZED, layers=2, positions="rotary")
    params = params_of(config)
    norms = cross_token.measure(config, params, jnp.array([3, 1, 4, 1, 5]))
    apart, past = ~np.eye(5, dtype=bool), np.tri(5, k=-1, dtype=bool)
    assert {name: len(of) for name, of in norms.items()} == {
        "norm": 2, "attention": 2, "mlp": 2, "transformer": 1,
    }  # fmt: skip
    for name in ("norm", "mlp"):
        assert (norms[name][:, apart] == 0).all()
        assert (norms[name][:, ~apart] > 0).all()
    for name in ("attention", "transformer"):
        assert (norms[name][:, past] > 0).all()
        assert (norms[name][:, past.T] == 0).all()


def test_the_whole_transformer_is_the_one_that_reads_tokens(params):
    read = jnp.array([3, 1, 4, 1, 5])
    vectors = params["embedding"]["tokens"][read] + params["embedding"]["positions"][:5]
    np.testing.assert_allclose(
        jax.jit(cross_token._logits, static_argnums=0)(SIZED, params, vectors),
        setting.logits_of(SIZED, params, read[None])[0],
        atol=1e-5,
    )


def test_a_mask_left_out_shows_above_the_diagonal():
    config = dataclasses.replace(SIZED, causal=False)
    params = params_of(config)
    norms = cross_token.measure(config, params, jnp.array([3, 1, 4, 1, 5]))
    assert (norms["attention"] > 0).all()


@pytest.mark.slow
@pytest.mark.smoke
def test_one_pass_teaches_what_its_predictions_teach_one_by_one(params):
    words = np.array([3, 1, 4, 1, 5], np.int32)
    batches = one_pass.together(words), one_pass.apart(words, 11, seed=0)
    loss, slope = one_pass.difference(SIZED, params, batches)
    assert loss < 1e-5
    assert slope < 1e-4
    later = batches[1]["tokens"].at[:, -1].set(0)  # also the last row's own target
    changed = {**batches[1], "tokens": later}
    assert one_pass.difference(SIZED, params, (batches[0], changed))[0] > 1e-3
    paid = one_pass.price(TOY.one_pass, SIZED, params, batches)
    assert paid.padded == 4
    beginnings = [
        one_pass.flops.count(
            lambda p, n=n: one_pass.loss_and_slope(
                SIZED, p, one_pass.together(words[: n + 1])
            ),
            params,
        )
        for n in range(1, 5)
    ]
    assert paid.growing == pytest.approx(sum(beginnings) / beginnings[-1], rel=1e-6)


def test_only_the_last_prediction_counts_where_it_should():
    batches = setting.text_batches(np.arange(100), 3, 8, seed=0)
    rows = next(batches.stream(0))
    batch = setting.counting_the_last(batches).assemble(batches.arrays, rows, None)
    assert batch["counts"].shape == (3, 8)
    assert np.asarray(batch["counts"]).sum(axis=0).tolist() == [0] * 7 + [3]


def test_the_entropy_slope_is_the_variance_over_the_cube():
    logits = 2 * jax.random.normal(jax.random.key(0), (5, 20))
    temperatures = jnp.array([0.5, 1.0, 4.0])
    differentiated, closed = softmax.slopes(logits, temperatures)
    np.testing.assert_allclose(differentiated, closed, rtol=1e-4)
    rises = softmax.entropies(logits, temperatures + 1e-2)
    falls = softmax.entropies(logits, temperatures - 1e-2)
    np.testing.assert_allclose((rises - falls) / 2e-2, closed, rtol=1e-2)


def test_what_left_the_context_has_no_influence(params):
    texts = np.random.default_rng(0).integers(0, 11, (4, 16))
    back = context.distances(8)
    assert back.tolist() == [1, 2, 4, 7, 8, 9, 12, 16]
    reach = context.influence(SIZED, params, texts.astype(np.int32), back, seed=0)
    assert (reach[back > 8] == 0).all()
    assert (reach[back <= 8] > 0).all()


def test_the_last_vector_alone_gives_the_same_prediction(params):
    read = np.random.default_rng(0).integers(0, 11, (4, 8))
    assert unembedding.last_alone(SIZED, params, read) < 1e-5
    sizes = unembedding.sizes_of(dataclasses.replace(GPT3, tied=False))
    assert sizes.unembedding == sizes.embedding == 617_558_016


def test_a_tokenizer_that_loses_bytes_is_found_out():
    class Lossy(Bytes):
        def decode_bytes(self, tokens):
            return super().decode_bytes(tokens).replace(b"\xff", b"?")

    learned = BytePairs.train("the king and the queen " * 9, 260)
    shares = tokens.round_trips((Bytes(), learned, Lossy()), 400, seed=0)
    assert shares[0] == shares[1] == 1
    assert shares[2] < 1


@pytest.mark.slow
def test_every_claim_of_the_full_run_is_as_expected(tmp_path):
    results = part6.run(part6.Config(workdir=str(tmp_path)))
    assert not [claim for claim in results.claims if claim.as_expected is not True]
    assert len(results.figures) == 14
