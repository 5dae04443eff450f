"""CLIP's closed forms, its size, and eight devices that are one."""

import dataclasses
import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from nnguide import parallel, target, training
from nnguide.config import InputError
from nnguide.data.batches import Batches, RowStream
from nnguide.diffusion import clip, contrastive, zero_shot
from nnguide.diffusion.clip import ClipConfig
from nnguide.diffusion.contrastive import LossName, Side, clamped, compare
from nnguide.parallel import ParallelConfig
from nnguide.transformer.config import TransformerConfig

TEXT = TransformerConfig(
    vocabulary=11, context=5, layers=1, embedding=8, heads=2, dropout=0.0
)
VIT = dataclasses.replace(TEXT, context=5, causal=False)
TINY = ClipConfig(size=8, filters=(4,), patch=4, vit=VIT, text=TEXT, shared=6)
ROWS = 16


def side(vectors, caption=None) -> Side:
    number = len(vectors)
    caption = jnp.arange(number) if caption is None else jnp.asarray(caption)
    vectors = jnp.asarray(vectors, jnp.float32)
    return Side(vectors, caption.reshape(number, 1), jnp.ones(number))


def batch() -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(1), 3)
    tokens = jax.random.randint(keys[1], (6, 5), 0, 11).at[:, -1].set(10)
    return {
        "image": jax.random.normal(keys[0], (ROWS, 8, 8, 3)),
        "tokens": tokens[jax.random.randint(keys[2], (ROWS,), 0, 6)],  # some are alike
        "weight": jnp.ones(ROWS).at[-3:].set(0),
    }


def params_of(config: ClipConfig):
    return nn.unbox(clip.functions(config).init(jax.random.key(0)))


@pytest.mark.smoke
def test_vit_b_32_has_151_277_313_parameters():
    shapes = jax.eval_shape(clip.functions(clip.CLIP_VIT_B32).init, jax.random.key(0))
    counts = {
        name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(part))
        for name, part in nn.unbox(shapes).items()
    }
    assert counts["image"] == 87_849_216
    assert counts["text"] + counts["text_projection"] == 63_428_096
    assert sum(counts.values()) == 151_277_313


# --- losses --------------------------------------------------------------------------


def test_equal_vectors_lose_the_logarithm_of_the_batch():
    same = side(np.tile([[1.0, 0]], (64, 1)))
    found = compare("softmax", same, same, (14.3, 0.0))
    assert float(found.loss / 64) == pytest.approx(math.log(64), rel=1e-5)


def test_perfect_vectors_lose_what_the_temperature_leaves():
    perfect = side(np.eye(256))
    found = compare("softmax", perfect, perfect, (1 / 0.07, 0.0))
    assert float(found.loss / 256) == pytest.approx(1.5933e-4, rel=1e-3)
    assert float(found.right) == 256
    sigmoid = compare("sigmoid", side(np.eye(64)), side(np.eye(64)), (10.0, -10.0))
    assert float(sigmoid.loss / 64) == pytest.approx(0.696007, rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "bias", "expected"),
    [(4, -10.0, 10.000182), (64, -10.0, 10.002906), (256, -10.0, 10.011622),
     (64, -2.71, 6.832673)],
)  # fmt: skip
def test_the_sigmoid_loss_at_the_start(rows, bias, expected):
    """Cosines of 0: the picture's vectors stand at right angles to the captions'."""
    pictures, captions = np.eye(2 * rows)[:rows], np.eye(2 * rows)[rows:]
    found = compare("sigmoid", side(pictures), side(captions), (10.0, bias))
    assert float(found.loss / rows) == pytest.approx(expected, rel=1e-5)


def test_several_positives_share_a_target_and_its_floor():
    """Ten classes of digits: what made "MNIST-CLIP is stuck at 2.58" of 128."""
    label = np.random.default_rng(0).integers(10, size=128)
    counts = np.bincount(label, minlength=10)
    digits = side(np.eye(10)[label], label)
    found = compare("softmax", digits, digits, (100.0, 0.0))
    floor = (counts * np.log(np.maximum(counts, 1))).sum() / 128
    assert floor == pytest.approx(2.585, abs=0.05)
    assert float(found.floor / 128) == pytest.approx(floor, rel=1e-5)
    assert float(found.loss / 128) == pytest.approx(floor, rel=1e-4)
    assert float(found.right) == 128

    def loss(vectors):
        moved = digits._replace(vectors=vectors)
        return compare("softmax", moved, moved, (100.0, 0.0)).loss

    slope = jax.grad(loss)(digits.vectors)
    np.testing.assert_allclose(slope, 0, atol=1e-3)  # the floor is a minimum


@pytest.mark.parametrize(
    "loss", [pytest.param("softmax", marks=pytest.mark.slow), "sigmoid"]
)
def test_padding_is_neither_a_row_nor_a_negative(loss):
    functions = clip.functions(dataclasses.replace(TINY, loss=loss))
    params = nn.unbox(functions.init(jax.random.key(0)))
    padded = batch()
    whole = {name: leaf[:-3] for name, leaf in padded.items()}
    (total, weight), metrics = functions.loss(params, padded, jax.random.key(0))
    (wanted, number), others = functions.loss(params, whole, jax.random.key(0))
    assert float(weight) == float(number) == ROWS - 3
    assert float(total) == pytest.approx(float(wanted), rel=1e-5)
    for name, pair in metrics.items():
        np.testing.assert_allclose(pair, others[name], rtol=1e-5)


def test_the_temperature_starts_at_its_papers_and_is_held_below_100():
    start: dict[LossName, tuple] = {
        "softmax": (1 / 0.07, 0.0),
        "sigmoid": (10.0, -10.0),
    }
    for loss, expected in start.items():
        module = contrastive.Temperature(loss)
        params = module.init(jax.random.key(0))
        numbers: Any = module.apply(params)
        np.testing.assert_allclose(numbers, expected, rtol=1e-5)
    assert pytest.approx(4.605170186) == contrastive.LARGEST
    below, beyond = jnp.array(4.0), jnp.array(5.0)
    assert float(clamped(beyond, contrastive.LARGEST)) == pytest.approx(math.log(100))

    def slope(x, factor):
        return float(jax.grad(lambda x: factor * clamped(x, contrastive.LARGEST))(x))

    assert slope(below, -3.0) == -3
    assert slope(beyond, -3.0) == 0  # a step of descent would go further up
    assert slope(beyond, 3.0) == 3  # and here back down


# --- devices -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def steps():
    """One step's parameters, by loss, mode, devices and axis."""
    data = Batches(
        RowStream(lambda step: np.arange(ROWS, dtype=np.int32)),
        lambda arrays, rows, key: {name: leaf[rows] for name, leaf in arrays.items()},
        batch(),
    )

    @functools.cache
    def step(loss, mode, devices, axis):
        config = dataclasses.replace(TINY, loss=loss)
        fit = training.fit(
            training.Task(*clip.functions(config, axis=axis)),
            optax.sgd(0.05),
            data,
            training.Config(
                steps=1, progress=False, parallel=ParallelConfig(mode, devices=devices)
            ),
        )
        return jax.device_get(fit.state.params), fit.history[-1]

    return step


SHORT = (("jit", "softmax"),)  # each takes a compilation


@pytest.mark.parametrize(
    ("mode", "loss"),
    [
        pytest.param(mode, loss, marks=[pytest.mark.slow] * ((mode, loss) not in SHORT))
        for mode in ("jit", "shard_map", "pmap")
        for loss in ("softmax", "sigmoid")
    ],
)
def test_eight_devices_are_one(steps, loss, mode):
    wanted, row = steps(loss, "jit", 1, None)
    got, other = steps(loss, mode, 8, parallel.device_axes(mode))
    gaps = jax.tree.map(
        lambda a, b: float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()),
        wanted,
        got,
    )
    assert max(jax.tree.leaves(gaps)) < 1e-6
    assert row == pytest.approx(other, rel=1e-5)


def test_without_the_axis_a_device_has_its_own_rows_as_negatives(steps):
    """What the axis is for: 2 rows a device cannot lose more than ln 2 each."""
    _, row = steps("softmax", "jit", 1, None)
    _, other = steps("softmax", "shard_map", 8, None)
    assert row["loss"] > other["loss"] + 1


# --- towers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tower", ["convolutional", pytest.param("vit", marks=pytest.mark.slow)]
)
def test_both_towers_end_in_unit_vectors_and_learn(tower):
    config = dataclasses.replace(TINY, image_tower=tower)
    functions, module = clip.functions(config), clip.Clip(config)
    params, given = params_of(config), batch()
    for method, inputs in (("see", given["image"]), ("read", given["tokens"])):
        vectors: Any = module.apply({"params": params}, inputs, method=method)
        np.testing.assert_allclose(jnp.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    key = jax.random.key(0)
    gradient = jax.grad(lambda params: functions.loss(params, given, key)[0][0])(params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        # Adding a vector to all keys changes no pattern.
        if "key" not in jax.tree_util.keystr(path) or leaf.ndim > 2:
            assert float(jnp.abs(leaf).max()) > 0, path


def test_what_comes_behind_the_end_is_not_seen():
    params, module = params_of(TINY), clip.Clip(TINY)
    tokens = jnp.array([[3, 4, 10, 10, 10], [3, 4, 10, 7, 1], [3, 5, 10, 10, 10]])
    vectors: Any = module.apply({"params": params}, tokens, method="read")
    one, same, other = vectors
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert float(jnp.abs(one - other).max()) > 1e-3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": 6}, "clip.size=6: the convolutional tower needs a multiple of 4"),
        (
            {"image_tower": "vit", "size": 12},
            "clip.vit.context=5: images of 12 make 10",
        ),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(changes, says):
    with pytest.raises(InputError, match=says):
        dataclasses.replace(TINY, **changes)


# --- the space -----------------------------------------------------------------------


def test_an_ensemble_is_the_direction_of_the_mean():
    prompts = jnp.array([[1.0, 0], [1.0, 0], [0, 1.0], [1.0, 0]])
    classes = zero_shot.ensemble(prompts, jnp.array([0, 1, 0, 1]), 2)
    np.testing.assert_allclose(classes, [[0.5**0.5, 0.5**0.5], [1, 0]], rtol=1e-5)
    pictures = jnp.array([[0.9, 0.1], [0.6, 0.8]])
    assert zero_shot.classify(pictures, classes).tolist() == [1, 0]


def test_places_count_who_is_ahead_and_ties():
    queries = jnp.array([[1.0, 0], [0, 1.0], [1.0, 1.0]])
    candidates = jnp.array([[1.0, 0], [0, 1.0], [0, 1.0]])
    places = zero_shot.places(queries, candidates, jnp.array([0, 1, 0]))
    assert places.tolist() == [0, 1, 2]
    assert [float(zero_shot.recall(places, k)) for k in (1, 2, 3)] == pytest.approx(
        [1 / 3, 2 / 3, 1]
    )


@pytest.mark.parametrize(("context", "fused"), [(77, False), (76, True)])
def test_it_can_be_trained_on_a_gpu_whatever_the_texts_length(
    context, fused, monkeypatch
):
    """cuDNN's attention has no gradient for CLIP's 77 tokens; another kernel has."""
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91000)
    wide = dataclasses.replace(TEXT, embedding=16, context=context)
    config = dataclasses.replace(TINY, text=wide)
    tokens = jax.ShapeDtypeStruct((ROWS, context), jnp.int32)
    with target.compiling_for("gpu"):
        functions = clip.functions(config)
        params = jax.eval_shape(functions.init, jax.random.key(0))
        shapes = jax.eval_shape(batch) | {"tokens": tokens}
        step = jax.jit(jax.grad(lambda *x: functions.loss(*x)[0][0]))
        traced = step.trace(nn.unbox(params), shapes, jax.random.key(0))
    program = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert ("__cudnn$fmhaSoftmaxBackward" in program) == fused
