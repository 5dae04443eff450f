"""config.json to `TransformerConfig` and back."""

import dataclasses
from pathlib import Path

import pytest

from nnguide.config import InputError
from nnguide.language.gpt2_config import (
    check_expressible,
    from_their_config,
    to_their_config,
)
from nnguide.transformer.config import (
    GPT2,
    GPT2_LARGE,
    GPT2_MEDIUM,
    GPT2_XL,
    TransformerConfig,
)

PATH = Path("somewhere", "config.json")
SMALL = TransformerConfig(vocabulary=65, context=16, layers=3, embedding=24, heads=4)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("sizes", "config"),
    [
        ((12, 768, 12), GPT2),
        ((24, 1024, 16), GPT2_MEDIUM),
        ((36, 1280, 20), GPT2_LARGE),
        ((48, 1600, 25), GPT2_XL),
    ],
)
def test_the_four_published_sizes(sizes, config):
    names = dict(zip(("n_layer", "n_embd", "n_head"), sizes, strict=True))
    published = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": 1024,
        "n_positions": 1024,
        "resid_pdrop": 0.1,
        "vocab_size": 50_257,
        **names,
    }
    assert from_their_config(published, PATH) == config


def test_a_field_that_is_left_out_has_the_libraries_default():
    assert from_their_config({}, PATH) == GPT2


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"neurons": 7, "tied": False, "dropout": 0.0, "initial_std": 0.5},
        {"activation": "gelu_exact"},
        {"activation": "relu"},
        {"activation": "relu_squared"},
    ],
    ids=str,
)
def test_there_and_back(change):
    config = dataclasses.replace(SMALL, **change)
    check_expressible(config)
    assert from_their_config(to_their_config(config), PATH) == config


def test_the_end_of_text_is_named_where_the_vocabulary_has_it():
    assert to_their_config(GPT2)["eos_token_id"] == 50_256
    assert to_their_config(SMALL)["eos_token_id"] is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "llama"}, r"model_type='llama': only 'gpt2' can be loaded"),
        ({"layer_norm_epsilon": 1e-6}, r"layer_norm_epsilon=1e-06: only 1e-05 can be"),
        ({"scale_attn_weights": False}, r"scale_attn_weights=False: only True can be"),
        (
            {"scale_attn_by_inverse_layer_idx": True},
            r"scale_attn_by_inverse_layer_idx=True: only False can be",
        ),
        ({"add_cross_attention": True}, r"add_cross_attention=True: only False"),
        ({"activation_function": "silu"}, r"='silu': choose from gelu_new, gelu_py"),
        ({"activation_function": ["gelu"]}, r"=\['gelu'\]: choose from gelu_new, "),
        ({"n_layer": "12"}, r"n_layer='12': write a whole number of 1 or more"),
        ({"n_layer": None}, r"n_layer=None: write a whole number"),
        ({"n_inner": 0}, r"n_inner=0: write a whole number"),
        ({"vocab_size": True}, r"vocab_size=True: write a whole number"),
        ({"n_head": 5}, r"model\.heads=5: does not divide model\.embedding=768; cho"),
        ({"initializer_range": "x"}, r"initializer_range='x': write a number"),
        ({"attn_pdrop": 0.0}, r"embd_pdrop=0\.1: must equal attn_pdrop and resid_p"),
        ({"tie_word_embeddings": 1}, r"tie_word_embeddings=1: write true or false"),
    ],
    ids=str,
)
def test_what_is_no_gpt2_is_refused(fields, message):
    with pytest.raises(InputError, match=message) as caught:
        from_their_config(fields, PATH)
    assert str(caught.value).startswith(f"{PATH}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": "attention"},
        {"positions": "rotary"},
        {"norm": "rms_norm"},
        {"biases": False},
        {"causal": False},
        {"qk_norm": True},
        {"attention_softcap": 50.0},
        {"logit_softcap": 15.0},
        {"key_value_heads": 2},
        {"activation": "swiglu"},
    ],
    ids=str,
)
def test_what_gpt2s_format_cannot_say_is_refused(change):
    ((name, value),) = change.items()
    with pytest.raises(InputError, match=rf"model\.{name}={value}: .* cannot say this"):
        check_expressible(dataclasses.replace(SMALL, **change))
