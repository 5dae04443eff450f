"""That PyTorch's twin of the U-Net is the same function with as many parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import sampler, unet
from nnguide.diffusion.samplers import SamplerConfig, sampling_sigmas
from nnguide.diffusion.unet import Unet, UnetConfig

torch = pytest.importorskip("torch")

SMALL: dict[str, Any] = {"size": 8, "width": 8, "blocks": 1, "head_width": 4}


def as_torch(value: np.ndarray) -> Any:
    """A kernel of Linen as PyTorch keeps it: (out, in) or (out, in, height, width)."""
    order = (3, 2, 0, 1) if value.ndim == 4 else tuple(range(value.ndim))[::-1]
    return torch.from_numpy(np.ascontiguousarray(value.transpose(order)))


def copied(params: Any, twin: Any) -> None:
    """Gives the twin our parameters, part by part."""
    theirs = dict(twin.named_parameters())

    def put(name: str, leaf: Any) -> None:
        value = as_torch(np.asarray(leaf))
        target = theirs.pop(name)
        with torch.no_grad():
            target.copy_(value.reshape(target.shape))

    def dense(name: str, part: Any) -> None:
        put(f"{name}.weight", part["kernel"] if "kernel" in part else part["scale"])
        put(f"{name}.bias", part["bias"])

    def block(name: str, part: Any) -> None:
        for each in part:
            dense(f"{name}.{each}", part[each])

    def attention(name: str, part: Any) -> None:
        dense(f"{name}.norm", part["places_norm"])
        ours = part["places"]
        fused = {
            kind: np.concatenate(
                [ours[each][kind] for each in ("query", "key", "value_down")], axis=-1
            )
            for kind in ("kernel", "bias")
        }
        dense(f"{name}.query_key_value", fused)
        dense(f"{name}.mixed", ours["value_up"])

    told = params["conditioning"]
    dense("first", told["first"])
    dense("second", told["second"])
    put("classes.weight", np.asarray(told["classes"]).T)
    for name in ("stem", "end", "end_norm"):
        dense(name, params[name])
    block("down.0.0", params["down_0_0"])
    dense("down.1.1", params["down_0_halve"])
    block("down.2.0", params["down_1_0"])
    attention("down.2.1", params["down_1_0_attention"])
    block("middle.0", params["middle_1"])
    attention("middle.1", params["middle_attention"])
    block("middle.2", params["middle_2"])
    for number in range(2):
        block(f"up.{number}.0", params[f"up_1_{number}"])
        attention(f"up.{number}.1", params[f"up_1_{number}_attention"])
        block(f"up.{3 + number}.0", params[f"up_0_{number}"])
    dense("up.2.1", params["up_1_double"])
    assert not theirs


def test_the_twin_is_the_same_function():
    from experiments.benchmarks.peers import unet_torch

    module = Unet(UnetConfig(classes=3, attention=(2,), **SMALL))
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 8, 8, 1)).astype(np.float32)
    levels, classes = np.array([-0.4, 0.9], np.float32), np.array([0, 2])
    made: Any = jax.eval_shape(module.init, jax.random.key(0), x, levels, classes)
    params = jax.tree.map(
        lambda leaf: random.normal(size=leaf.shape).astype(np.float32) * 0.3,
        jax.tree.map(
            lambda box: box.unbox(), made, is_leaf=lambda n: hasattr(n, "unbox")
        ),
    )
    twin = unet_torch.Unet(unet_torch.Shape(classes=3, **SMALL))
    copied(params["params"], twin)
    ours: Any = jax.jit(module.apply)(params, x, levels, classes)
    inputs = torch.from_numpy(x.transpose(0, 3, 1, 2))
    theirs = twin(inputs, torch.from_numpy(levels), torch.from_numpy(classes))
    wanted = theirs.detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours, wanted, rtol=2e-3, atol=2e-3)


def test_the_twin_has_as_many_parameters_and_the_same_levels():
    from experiments.benchmarks.peers import unet_torch

    twin = unet_torch.Unet(unet_torch.Shape())
    given = jnp.zeros((1, *unet.SHAPE)), jnp.zeros(1), jnp.zeros(1, jnp.int32)
    made: Any = jax.eval_shape(Unet(unet.NETWORK).init, jax.random.key(0), *given)
    counted = sum(leaf.size for leaf in jax.tree.leaves(made))
    assert counted == sum(p.numel() for p in twin.parameters()) == 1_083_300
    ours = sampling_sigmas(unet.NOISE, SamplerConfig(steps=sampler.STEPS))
    np.testing.assert_allclose(ours, unet_torch.levels(sampler.STEPS), rtol=1e-9)


def test_the_twin_learns_and_samples():
    from experiments.benchmarks.peers import unet_torch

    shape = unet_torch.Shape(classes=3, **SMALL)
    images = np.zeros((20, 6, 6), np.uint8)
    turn = unet_torch.training(
        images, np.zeros(20, np.int32), shape, "channels_last", 1, 8, 5
    )
    losses = [turn() for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]
    drawn = [
        unet_torch.sampling(shape, "eager", 1, 2, 3, 1.0, one_pass)()
        for one_pass in (False, True)
    ]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-4)
