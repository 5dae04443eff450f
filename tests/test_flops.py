"""FLOPs from the jaxpr against counts made by hand."""

import functools
import itertools

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P

from nnguide import flops

SQUARE = jax.ShapeDtypeStruct((3, 3), jnp.float32)
ONE = 2 * 3**3  # FLOPs of SQUARE @ SQUARE


def shapes(*dimensions):
    return [jax.ShapeDtypeStruct(d, jnp.float32) for d in dimensions]


# --- products ---------------------------------------------------------------------


@pytest.mark.smoke
def test_product_of_two_matrices_costs_two_flops_a_multiply_add():
    assert flops.count(jnp.matmul, *shapes((4, 5), (5, 6))) == 2 * 4 * 5 * 6


def test_batch_dimensions_and_several_contracted_ones_multiply():
    attend = functools.partial(jnp.einsum, "BTHK,BSHK->BHTS")
    assert flops.count(attend, *shapes((2, 7, 3, 5), (2, 11, 3, 5))) == (
        2 * (2 * 3 * 7 * 11) * 5
    )
    both = functools.partial(jnp.einsum, "abc,bcd->ad")
    assert flops.count(both, *shapes((2, 3, 4), (3, 4, 5))) == 2 * 2 * (3 * 4) * 5


def test_elementwise_work_counts_as_nothing():
    assert flops.count(lambda x: jnp.exp(x).sum() + x.max(), SQUARE) == 0


def test_vmap_multiplies_by_the_batch():
    one = jax.vmap(jnp.matmul, in_axes=(0, None))
    assert flops.count(one, *shapes((9, 4, 5), (5, 6))) == 9 * 2 * 4 * 5 * 6


def network(weights, x):
    for w in weights[:-1]:
        x = jnp.tanh(x @ w)
    return jnp.sum((x @ weights[-1]) ** 2)


def test_training_a_dense_network_costs_three_forward_passes():
    widths, batch = (784, 16, 16, 10), 100
    products = [2 * batch * n * m for n, m in itertools.pairwise(widths)]
    weights, (x,) = shapes(*itertools.pairwise(widths)), shapes((batch, 784))
    assert flops.count(network, weights, x) == sum(products)
    with_inputs = jax.value_and_grad(network, argnums=(0, 1))
    assert flops.count(with_inputs, weights, x) == 3 * sum(products)
    # Nobody asks for the gradient of the images: the first layer saves one product.
    assert flops.count(jax.value_and_grad(network), weights, x) == (
        3 * sum(products) - products[0]
    )


# --- convolutions -----------------------------------------------------------------


def taps_by_brute_force(image, kernel, stride, padding, lhs_dilation, rhs_dilation):
    """Multiply-adds on data of a 1-D convolution with one channel, tap by tap."""
    padded = [None] * padding[0]
    for i in range(image):
        padded += [i] + [None] * (lhs_dilation - 1) * (i + 1 < image)
    padded += [None] * padding[1]
    reach = (kernel - 1) * rhs_dilation
    starts = range(0, len(padded) - reach, stride)
    return sum(
        padded[start + k * rhs_dilation] is not None
        for start in starts
        for k in range(kernel)
    )


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 3)])
@pytest.mark.parametrize("lhs_dilation", [1, 2])
@pytest.mark.parametrize("rhs_dilation", [1, 2])
def test_convolution_counts_the_taps_on_data(
    stride, padding, lhs_dilation, rhs_dilation
):
    convolve = functools.partial(
        lax.conv_general_dilated,
        window_strides=(stride,),
        padding=(padding,),
        lhs_dilation=(lhs_dilation,),
        rhs_dilation=(rhs_dilation,),
        dimension_numbers=("NWC", "WIO", "NWC"),
    )
    batch, inputs, outputs = 4, 3, 5
    image, kernel = jnp.ones((batch, 9, inputs)), jnp.ones((3, inputs, outputs))
    taps = taps_by_brute_force(9, 3, stride, padding, lhs_dilation, rhs_dilation)
    counted = flops.count(convolve, image, kernel)
    assert counted == 2 * batch * inputs * outputs * taps
    # With ones everywhere a multiply-add on data adds one, one on padding nothing.
    assert counted == 2 * float(convolve(image, kernel).sum())


@pytest.mark.smoke
def test_same_padding_leaves_the_border_taps_out():
    convolve = functools.partial(
        lax.conv_general_dilated,
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    image, kernel = shapes((1, 28, 28, 1), (5, 5, 1, 8))
    per_dimension = 28 * 5 - 2 * (2 + 1)  # two outputs at each end lack 2 and 1 taps
    assert flops.count(convolve, image, kernel) == 2 * 8 * per_dimension**2
    dense = 2 * 8 * (28 * 5) ** 2
    assert dense / flops.count(convolve, image, kernel) == pytest.approx(
        1.0916, abs=1e-4
    )


def test_groups_divide_the_work():
    convolve = functools.partial(
        lax.conv_general_dilated,
        window_strides=(1,),
        padding="VALID",
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=3,
    )
    image, kernel = shapes((2, 8, 6), (3, 2, 9))
    assert flops.count(convolve, image, kernel) == 2 * 2 * (6 * 9) * 3 * (6 // 3)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID", ((3, 0), (0, 2))])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_training_a_convolution_costs_three_forward_passes(groups, padding, stride):
    def loss(image, kernel):
        output = lax.conv_general_dilated(
            image,
            kernel,
            stride,
            padding,
            rhs_dilation=(1, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        return jnp.sum(output**2)

    image, kernel = shapes((4, 11, 10, 4), (3, 2, 4 // groups, 6))
    forward = flops.count(loss, image, kernel)
    training = jax.value_and_grad(loss, argnums=(0, 1))
    assert flops.count(training, image, kernel) == 3 * forward > 0


# --- control flow -----------------------------------------------------------------


def loop_by_scan(x, length=7):
    return lax.scan(lambda c, _: (c @ c, None), x, None, length=length)[0].sum()


def test_scan_counts_its_body_as_often_as_it_runs():
    assert flops.count(loop_by_scan, SQUARE) == 7 * ONE
    # Two products with the upstream gradient for each product with itself.
    assert flops.count(jax.value_and_grad(loop_by_scan), SQUARE) == 3 * 7 * ONE


def test_nested_scans_multiply():
    def nested(x):
        outer = lax.map(lambda y: loop_by_scan(x * y.sum(), length=5), x)
        return outer.sum()

    assert flops.count(nested, SQUARE) == 3 * 5 * ONE


def test_loop_with_python_bounds_is_a_scan():
    loop = functools.partial(lax.fori_loop, 2, 8, lambda i, x: x @ x)
    assert flops.count(loop, SQUARE) == 6 * ONE


def test_while_loop_with_products_is_refused():
    def loop(x, n):
        return lax.fori_loop(0, n, lambda i, c: c @ c, x)

    with pytest.raises(ValueError, match=r"54 FLOPs a pass.*lax.scan"):
        flops.count(loop, SQUARE, 3)


def test_while_loop_without_products_is_free():
    def loop(x, n):
        return lax.fori_loop(0, n, lambda i, c: c + 1, x) @ x

    assert flops.count(loop, SQUARE, 3) == ONE


def test_dearest_branch_counts():
    branches = [lambda x: x, lambda x: x @ x, lambda x: x @ x @ x]
    assert flops.count(lambda i, x: lax.switch(i, branches, x), 0, SQUARE) == 2 * ONE
    assert flops.count(lambda p, x: lax.cond(p, *branches[:2], x), True, SQUARE) == ONE


def test_remat_pays_for_the_recomputed_forward_pass():
    def loss(blocks, x):
        for block in blocks:
            x = jax.checkpoint(lambda x, w: jnp.sin(jnp.sin(x @ w) @ w))(x, block)
        return x.sum()

    blocks, (x,) = shapes((3, 3), (3, 3)), shapes((3, 3))
    forward = flops.count(loss, blocks, x)
    assert forward == 4 * ONE
    training = jax.value_and_grad(loss, argnums=(0, 1))
    # The gradient of each sine needs what went into it, so all of a block runs again.
    assert flops.count(training, blocks, x) == 4 * forward


def test_nested_jit_counts_once():
    inner = jax.jit(lambda x: x @ x)
    assert flops.count(jax.jit(lambda x: inner(inner(x))), SQUARE) == 2 * ONE


def test_custom_derivatives_count_as_they_run():
    product = jax.custom_vjp(lambda x, w: x @ w)

    def backward(saved, upstream):
        x, w = saved
        return upstream @ w.T, x.T @ upstream

    product.defvjp(lambda x, w: (product(x, w), (x, w)), backward)
    assert flops.count(product, SQUARE, SQUARE) == ONE
    training = jax.value_and_grad(lambda x, w: product(x, w).sum(), argnums=(0, 1))
    assert flops.count(training, SQUARE, SQUARE) == 3 * ONE

    square = jax.custom_jvp(lambda x: x @ x)
    square.defjvp(lambda primals, tangents: (square(*primals), tangents[0]))
    assert flops.count(square, SQUARE) == ONE


# --- devices and kernels ----------------------------------------------------------


def test_shard_map_counts_what_all_devices_do():
    auto = (jax.sharding.AxisType.Auto,) * 2
    mesh = jax.make_mesh((4, 2), ("data", "tensor"), axis_types=auto)
    image, weights = shapes((8, 5), (5, 6))

    def spread(axes, x_spec, out_spec):
        return jax.shard_map(
            lambda x, w: lax.psum(x @ w, "data"),
            mesh=mesh,
            in_specs=(x_spec, P()),
            out_specs=out_spec,
            axis_names=set(axes),
        )

    whole = 2 * 8 * 5 * 6
    split = spread(("data", "tensor"), P(("data", "tensor")), P("tensor"))
    assert flops.count(split, image, weights) == whole
    # Every pair along `tensor` does the same work: it is done twice.
    repeated = spread(("data", "tensor"), P("data"), P())
    assert flops.count(repeated, image, weights) == 2 * whole
    # `tensor` stays automatic: the body's shapes are global along it.
    partly = jax.jit(spread(("data",), P("data"), P()))
    assert flops.count(partly, image, weights) == whole


def test_pmap_counts_what_all_devices_do():
    assert flops.count(jax.pmap(jnp.matmul), *shapes((8, 3, 3), (8, 3, 3))) == 8 * ONE


def test_product_hidden_in_a_kernel_is_refused():
    def ragged(x, w):
        return lax.ragged_dot(x, w, jnp.array([3, 5]))

    with pytest.raises(NotImplementedError, match=r"ragged_dot.*written-out"):
        flops.count(ragged, *shapes((8, 3), (2, 3, 4)))


def test_count_runs_nothing_and_takes_keyword_arguments():
    def fail(_):
        raise AssertionError("ran")

    def function(x, *, w):
        jax.debug.callback(fail, x)
        return x @ w

    assert flops.count(function, SQUARE, w=SQUARE) == ONE


def test_count_is_an_int_beyond_32_bits():
    wide = flops.count(jnp.matmul, *shapes((1 << 14, 1 << 14), (1 << 14, 1 << 14)))
    assert wide == 2 << 42
    assert isinstance(wide, int)
