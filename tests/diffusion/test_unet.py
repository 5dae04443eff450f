"""The U-Net and the transformer of patches: counts of papers, laws, refusals."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.diffusion.conditioning import check_classes, sinusoids
from nnguide.diffusion.group_norm import GroupNorm, Measured, groups_of, normalized
from nnguide.diffusion.maps import double, fold, halve, unfold
from nnguide.diffusion.patch_transformer import PatchTransformer, PatchTransformerConfig
from nnguide.diffusion.unet import ADM_64, DDPM_CIFAR10, Unet, UnetConfig

SMALL = UnetConfig(size=8, width=8, head_width=4, attention=(2,))
ONE_LEVEL = replace(SMALL, multiples=(1,), attention=())
PATCHES = PatchTransformerConfig(size=8, layers=1, embedding=8, heads=2)


def arguments(config: Any, condition: Any = None) -> tuple[Any, Any, Any]:
    images = np.random.default_rng(0).normal(
        size=(2, config.size, config.size, config.channels)
    )
    if condition is None and config.classes:
        condition = jnp.array([0, 1])
    return jnp.asarray(images, "f4"), jnp.array([-0.5, 0.5]), condition


def awake(module: Any, given: Any) -> Any:
    """Random parameters of which none is 0, so that nothing is silent."""
    made: Any = jax.eval_shape(lambda: module.init(jax.random.key(0), *given))
    random = np.random.default_rng(0)

    def draw(path: Any, leaf: Any) -> Any:
        scale = path[-1].key == "scale"
        return jnp.asarray(scale + 0.3 * random.normal(size=leaf.shape), "f4")

    return jax.tree_util.tree_map_with_path(draw, nn.unbox(made))


@pytest.mark.parametrize(
    ("config", "parameters"), [(DDPM_CIFAR10, 35_746_307), (ADM_64, 295_904_454)]
)
def test_published_networks_have_their_published_number_of_parameters(
    config, parameters, key
):
    given = arguments(config)
    answer, made = jax.eval_shape(Unet(config).init_with_output, key, *given)
    assert sum(leaf.size for leaf in jax.tree.leaves(made)) == parameters
    boxed = nn.LogicallyPartitioned
    boxes = jax.tree.leaves(made, is_leaf=lambda node: isinstance(node, boxed))
    assert all(isinstance(box, boxed) for box in boxes)
    assert answer.shape == (2, config.size, config.size, config.outputs or 3)


@pytest.mark.smoke
@pytest.mark.parametrize("module", [Unet(ONE_LEVEL), PatchTransformer(PATCHES)])
def test_it_is_silent_at_birth(module, key):
    given = arguments(module.config)
    quickly = {"xla_backend_optimization_level": 0}  # it runs once
    born = jax.jit(
        lambda key: module.init_with_output(key, *given)[0], compiler_options=quickly
    )
    answer: Any = born(key)
    np.testing.assert_array_equal(answer, 0)


@pytest.mark.parametrize(
    ("module", "condition"),
    [
        (Unet(replace(SMALL, classes=3)), jnp.array([0, 1])),
        (Unet(replace(SMALL, resize="residual", told="add")), None),
        (PatchTransformer(replace(PATCHES, text_width=5)), jnp.ones((2, 3, 5))),
    ],
)
def test_it_hears_all_it_is_told(module, condition):
    images, levels, _ = given = arguments(module.config, condition)
    params = awake(module, given)
    apply = jax.jit(module.apply)

    def change(*changed: Any) -> np.ndarray:
        """By how much the answer differs, the largest of each image and place."""
        difference = np.asarray(apply(params, *changed)) - np.asarray(plain)
        return abs(difference).max(-1)

    plain = apply(params, *given)
    assert plain.shape == images.shape
    far = change(images.at[0, 0, 0].add(1.0), levels, condition)
    assert far[0, -1, -1] > 1e-4  # by attention
    assert far[1].max() < 1e-5  # images are apart
    assert change(images, levels.at[0].add(0.1), condition)[0].min() > 1e-5
    if condition is not None:
        assert change(images, levels, condition.at[0].set(2))[0].min() > 1e-5


def test_text_is_attended_to_token_by_token(key):
    module = Unet(replace(SMALL, text_width=5))
    text = jax.random.normal(key, (2, 3, 5))
    given = arguments(module.config, text)
    params, apply = awake(module, given), jax.jit(module.apply)
    plain = apply(params, *given)
    turned: Any = apply(params, *given[:2], text[:, ::-1])
    np.testing.assert_allclose(
        turned, np.asarray(plain), atol=1e-4
    )  # no order of its own
    moved = text.at[:, 0].add(1.0).at[:, 1].add(-1.0)  # the mean stays
    other: Any = apply(params, *given[:2], moved)
    assert abs(other - plain).max() > 1e-3


def test_group_norm_is_linens_with_scale_and_shift(key):
    maps = 3 + 2 * jax.random.normal(key, (2, 4, 6, 24))
    scale_shift = jax.random.normal(key, (2, 48))
    ours = GroupNorm()
    params = awake(ours, (Measured(maps),))
    z: Any = nn.GroupNorm(num_groups=groups_of(24), epsilon=1e-5).apply(params, maps)
    scale, shift = (each[:, None, None] for each in jnp.split(scale_shift, 2, axis=1))
    wanted = z * (1 + scale) + shift
    how: Any = ours.apply(params, Measured(maps), scale_shift)
    got = normalized(maps, how)
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-4, atol=1e-4)


def test_groups_hold_at_least_four_channels_and_are_32_in_the_published_networks():
    assert [groups_of(n) for n in (2, 4, 8, 24, 32, 128, 192, 768)] == [
        1, 1, 2, 6, 8, 32, 32, 32,
    ]  # fmt: skip


def test_folding_is_undone_and_keeps_neighbours_together():
    maps = jnp.arange(2 * 4 * 4 * 3.0).reshape(2, 4, 4, 3)
    folded = fold(maps, 2)
    assert folded.shape == (2, 2, 2, 12)
    np.testing.assert_array_equal(folded[0, 1, 0], maps[0, 2:, :2].reshape(-1))
    np.testing.assert_array_equal(unfold(folded, 2), maps)
    np.testing.assert_array_equal(fold(maps, 1), maps)
    np.testing.assert_allclose(halve(maps)[0, 0, 1], maps[0, :2, 2:].mean((0, 1)))
    np.testing.assert_array_equal(double(maps)[:, 1::2, ::2], maps)
    np.testing.assert_allclose(halve(double(maps)), maps)


def test_noise_levels_are_told_apart_over_the_whole_range():
    levels = jnp.linspace(-2, 2.1, 400)
    known = sinusoids(levels, 32)
    np.testing.assert_allclose((known**2).sum(1), 16, rtol=1e-5)
    apart = np.linalg.norm(known[:, None] - known[None], axis=-1)
    assert apart[~np.eye(400, dtype=bool)].min() > 0.3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 30}, "unet.size=30: 2 levels of patches of 2 need a multiple of 4"),
        ({"size": 28, "multiples": (1, 2, 2, 2)}, "need a multiple of 16"),
        ({"attention": (5,)}, r"unet.attention=.*the levels are \[16, 8\] high"),
        ({"head_width": 48}, "unet.head_width=48: does not divide the 64 channels"),
        ({"width": 7}, "unet.width=7: give an even one"),
        ({"multiples": ()}, "unet.multiples"),
        ({"blocks": 0}, "unet.blocks=0: give 1 or more"),
        ({"classes": 2, "text_width": 4}, "classes or text"),
    ],
)
def test_impossible_networks_are_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        UnetConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"patch": 5}, "patch_transformer.patch=5: does not divide 32"),
        ({"heads": 3}, "heads=3: does not divide"),
        ({"classes": -1}, "patch_transformer.classes=-1"),
    ],
)
def test_impossible_transformers_are_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        PatchTransformerConfig(**wrong)


def test_what_does_not_fit_the_network_is_refused(key):
    module = Unet(replace(SMALL, classes=3))
    images, levels, classes = arguments(module.config)
    with pytest.raises(InputError, match="images of 6x6x1: the network is for 8x8x1"):
        module.init(key, images[:, :6, :6], levels, classes)
    with pytest.raises(InputError, match="condition=None: give class numbers"):
        module.init(key, images, levels)
    with pytest.raises(InputError, match=r"condition=float32.*below 3"):
        module.init(key, images, levels, jnp.ones((2, 3, 5)))
    with pytest.raises(InputError, match=r"condition=.*give no condition"):
        Unet(SMALL).init(key, images, levels, classes)
    with pytest.raises(
        InputError, match="class 3: the network knows the classes 0 to 2"
    ):
        check_classes(3, np.array([0, 2, 3]))
    check_classes(3, np.array([0, 2]))
