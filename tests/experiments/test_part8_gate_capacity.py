"""Part 8's studies of the AND neuron and of a block's capacity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.part8 import capacity, gate
from experiments.part8.setting import Setting
from nnguide.config import InputError
from nnguide.facts import memory

TOY = {
    "gate": (
        gate,
        gate.Config(widths=(32, 128, 12_288), names=8, draws=2),
        ["and_gate", "and_gate_leak", "and_gate_activations"],
    ),
    "capacity": (
        capacity,
        capacity.Config((8,), 50, loads=(0.25, 0.5), networks=1, by_hand=(64,)),
        ["capacity", "facts_by_hand"],
    ),
}


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    return Setting(0, tmp_path_factory.mktemp("part8"), "light")


@pytest.mark.parametrize(
    ("group", "fields", "says"),
    [
        (gate, {"widths": (32, 128)}, "--gate.widths=32,128: 12288 is missing"),
        (gate, {"widths": (16, 128)}, "--gate.widths=16,128: give one or more"),
        (gate, {"names": 2}, "--gate.names=2: give 3 or more"),
        (capacity, {"steps": 60}, "--capacity.steps=60: give a multiple of 50"),
        (capacity, {"widths": (4,)}, "--capacity.widths=4: give one or more"),
        (capacity, {"networks": 0}, "--capacity.networks=0: give 1 or more"),
        (
            capacity,
            {"widths": (64, 700)},
            "--capacity: 45,182 facts take as many names",
        ),
        (capacity, {"loads": (0.5, 1)}, "--capacity.loads=0.5,1: give facts a param"),
        (capacity, {"loads": (0.5, 0.25)}, "--capacity.loads=0.5,0.25: give facts"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(group, fields, says):
    with pytest.raises(InputError, match=says):
        group.Config(**fields)


@pytest.mark.parametrize(
    "name",  # two trainings take their time to compile
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name == "capacity"))
        for name in TOY
    ],
)
def test_a_toy_study_claims_nothing_unexpected_and_draws(name, setting):
    group, config, pictures = TOY[name]
    claims, figures = group.study(config, setting)
    assert len({claim.id for claim in claims}) == len(claims)
    assert not [claim.id for claim in claims if claim.as_expected is False]
    assert figures == [f"figures/{picture}.png" for picture in pictures]
    for figure in figures:
        with Image.open(setting.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((setting.workdir / figure).with_suffix(".npz")).files


def test_perpendicular_names_fire_one_by_one():
    assert gate.fired_by(5) == 1
    given = gate.answers()
    np.testing.assert_array_equal(given["ReLU"], [1, 0, 0, 0])
    np.testing.assert_array_equal(given["nothing"], [1, 0.5, 0.5, 0])
    np.testing.assert_allclose(given["GELU"], [1, 0, 0, -0.15866 / 0.84134], atol=1e-4)


def test_blocks_that_learn_side_by_side_do_not_feel_each_other():
    """The gradient of one is that of its own loss alone."""
    rng = np.random.default_rng(0)
    names = rng.normal(size=(2, 12, memory.WIDTH)).astype(np.float32)
    facts = memory.Facts(jnp.asarray(names), jnp.tile(jnp.arange(12), (2, 1)))
    answers = jnp.eye(memory.ANSWERS, memory.WIDTH)
    together = capacity.task(8, (5, 12), 2, answers, relu=True)
    params, key = jax.jit(together.init)(jax.random.key(2)), jax.random.key(3)
    read = jax.jit(jax.grad(lambda p: together.loss(p, facts._asdict(), key)[0][0]))
    own = jax.tree.map(lambda leaf: leaf[1], params["5"])
    alone = jax.grad(
        lambda p: (
            memory.recall(
                p, jax.tree.map(lambda leaf: leaf[1, :5], facts), answers
            ).surprise
        )
    )
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one[1], other, atol=1e-5),
        read(params)["5"], alone(own),
    )  # fmt: skip
    known = jax.eval_shape(together.evaluate, params, facts._asdict(), key)
    assert set(known) == {
        f"{n}/{kind}" for n in (5, 12) for kind in ("share", "surprise")
    }
    assert jnp.shape(known["5/share"][0]) == (2,)


@pytest.mark.slow
@pytest.mark.parametrize("name", TOY)
def test_every_claim_of_the_full_study_is_as_expected(name, setting, tmp_path):
    group = TOY[name][0]
    claims, _ = group.study(group.Config(), setting._replace(workdir=tmp_path))
    assert not [claim.id for claim in claims if claim.as_expected is not True]
