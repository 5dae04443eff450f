"""The guide's table and the true count, against the module itself."""

import dataclasses
import math

import jax
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.transformer.config import (
    GPT2,
    GPT2_LARGE,
    GPT2_MEDIUM,
    GPT2_XL,
    GPT3,
    TransformerConfig,
)
from nnguide.transformer.model import initial_params
from nnguide.transformer.parameter_count import (
    every_parameter,
    guide_table,
    left_out,
    number_of_matrices,
    parameter_count,
    per_block,
    total,
    totals,
)

SIZES = [GPT2, GPT2_MEDIUM, GPT2_LARGE, GPT2_XL]
SMALL = TransformerConfig(vocabulary=65, context=16, layers=3, embedding=24, heads=4)
CHANGES = [
    {},
    {"key_value_heads": 2},
    {"key_value_heads": 1, "positions": "rotary", "qk_norm": True},
    {"activation": "swiglu", "neurons": 40},
    {"activation": "swiglu", "biases": False},
    {"norm": "rms_norm"},
    {"norm": "rms_norm", "biases": False, "positions": "none"},
    {"blocks": "attention", "tied": False},
    {"blocks": "mlp", "layers": 1},
    {"tied": False, "neurons": 7},
]


def _arrays(config):
    """Path -> shape of every array that the module makes, without making any."""
    shapes = jax.eval_shape(
        lambda key: nn.unbox(initial_params(config, key)), jax.random.key(0)
    )
    leaves = jax.tree_util.tree_leaves_with_path(shapes)
    return {"/".join(node.key for node in path): leaf.shape for path, leaf in leaves}


@pytest.mark.smoke
def test_the_guides_table_of_gpt3_row_by_row():
    assert [(row.name, row.total) for row in guide_table(GPT3)] == [
        ("Embedding", 617_558_016),
        ("Key", 14_495_514_624),
        ("Query", 14_495_514_624),
        ("Value down", 14_495_514_624),
        ("Value up", 14_495_514_624),
        ("Up projection", 57_982_058_496),
        ("Down projection", 57_982_058_496),
        ("Unembedding", 617_558_016),
    ]
    assert total(guide_table(GPT3)) == 175_181_291_520
    assert totals(guide_table(GPT3)) == {
        "embedding": 617_558_016,
        "attention": 57_982_058_496,
        "mlp": 115_964_116_992,
        "unembedding": 617_558_016,
    }


def test_matrices_have_the_sizes_that_the_guide_draws():
    table = {row.name: (row.shape, row.heads, row.layers) for row in guide_table(GPT3)}
    assert table == {
        "Embedding": ((12_288, 50_257), 1, 1),
        "Key": ((128, 12_288), 96, 96),
        "Query": ((128, 12_288), 96, 96),
        "Value down": ((128, 12_288), 96, 96),
        "Value up": ((12_288, 128), 96, 96),
        "Up projection": ((49_152, 12_288), 1, 96),
        "Down projection": ((12_288, 49_152), 1, 96),
        "Unembedding": ((50_257, 12_288), 1, 1),
    }
    key = next(row for row in guide_table(GPT3) if row.name == "Key")
    assert math.prod(key.shape) == 1_572_864
    assert key.total // key.layers * 4 == 603_979_776 == per_block(GPT3, "attention")


def test_number_of_matrices():
    assert number_of_matrices(GPT3) == 27_938
    assert number_of_matrices(GPT3, one_output_matrix=False) == 37_058


def test_what_the_guide_leaves_out_of_gpt3():
    assert left_out(GPT3) == {
        "positions": 25_165_824,
        "norms": 4_743_168,
        "biases": 10_616_832,
        "unembedding": -617_558_016,
    }
    assert per_block(GPT3, "norms") == 49_152
    assert parameter_count(GPT3) == 174_604_259_328
    assert parameter_count(dataclasses.replace(GPT3, tied=False)) == 175_221_817_344


@pytest.mark.parametrize(
    ("config", "with_biases", "without", "padded"),
    [
        (GPT2, 124_439_808, 124_337_664, 124_475_904),
        (GPT2_MEDIUM, 354_823_168, 354_551_808, 354_871_296),
        (GPT2_LARGE, 774_030_080, 773_521_920, 774_090_240),
        (GPT2_XL, 1_557_611_200, 1_556_764_800, 1_557_686_400),
    ],
    ids=["small", "medium", "large", "xl"],
)
def test_gpt2s_four_sizes(config, with_biases, without, padded):
    assert parameter_count(config) == with_biases
    assert parameter_count(dataclasses.replace(config, biases=False)) == without
    assert parameter_count(dataclasses.replace(config, vocabulary=50_304)) == padded


@pytest.mark.parametrize(
    ("layers", "embedding", "heads", "millions"),
    [
        (6, 384, 6, 30.73),
        (12, 768, 12, 125.23),
        (24, 1024, 16, 355.87),
        (24, 1536, 16, 760.30),
        (24, 2048, 16, 1315.72),
        (32, 2560, 32, 2651.55),
        (32, 4096, 32, 6658.40),
        (96, 12_288, 96, 174_604.3),
    ],
)
def test_gpt3s_sizes_as_llm_c_counts_them(layers, embedding, heads, millions):
    config = TransformerConfig(
        context=2048, layers=layers, embedding=embedding, heads=heads
    )
    decimals = 1 if millions > 1e5 else 2
    assert round(parameter_count(config) / 1e6, decimals) == millions


@pytest.mark.smoke
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_row_is_an_array_of_the_module_and_the_reverse(change):
    config = dataclasses.replace(SMALL, **change)
    rows = every_parameter(config)
    assert {row.path: row.stored for row in rows} == _arrays(config)
    assert len({row.path for row in rows}) == len(rows)
    for row in rows:
        assert math.prod(row.shape) * row.copies == row.total, row.name


@pytest.mark.parametrize("config", [*SIZES, GPT3], ids=lambda c: f"{c.layers} layers")
def test_the_real_module_at_full_size_allocates_nothing_and_agrees(config):
    arrays = _arrays(config)
    assert arrays == {row.path: row.stored for row in every_parameter(config)}
    assert sum(map(math.prod, arrays.values())) == parameter_count(config)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_table_and_what_it_leaves_out_make_the_true_count(change):
    config = dataclasses.replace(SMALL, **change)
    missing = left_out(config)
    assert total(guide_table(config)) + sum(missing.values()) == parameter_count(config)
    assert ("unembedding" in missing) == config.tied


def test_gates_and_grouped_heads_have_rows_of_their_own():
    config = dataclasses.replace(
        SMALL, activation="swiglu", neurons=40, key_value_heads=2
    )
    rows = {row.name: row for row in guide_table(config)}
    assert rows["Gate projection"].total == rows["Up projection"].total == 3 * 40 * 24
    assert (rows["Key"].heads, rows["Query"].heads) == (2, 4)
    assert number_of_matrices(config) == 2 + 3 * (2 + 4 + 2 + 1 + 3)


def test_an_unknown_vocabulary_is_refused():
    config = dataclasses.replace(SMALL, vocabulary=0)
    with pytest.raises(InputError, match=r"model\.vocabulary=0: .* give the tokenizer"):
        parameter_count(config)
