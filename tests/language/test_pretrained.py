"""GPT-2's files against the library transformers, and every way they can be wrong."""

# torch is in the extra `peers`, which the checks do without.
# pyright: reportMissingImports=false

import dataclasses
import functools
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.language.pretrained import load_gpt2, save_gpt2
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params

files = pytest.importorskip("safetensors.numpy")

CONFIG = TransformerConfig(
    vocabulary=65, context=16, layers=3, embedding=24, heads=4, neurons=40
)
EXECUTION = Execution(attention="written_out", compute_dtype="float32")
WEIGHTS = "model.safetensors"


@functools.cache
def _random_params(config, seed=0):
    """Unlike fresh ones, also with random biases and norms."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(
        lambda key: nn.unbox(initial_params(config, key)), jax.random.key(0)
    )
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.3 * random.standard_normal(leaf.shape), jnp.float32),
        shapes,
    )


def _tokens(config):
    return np.random.default_rng(1).integers(0, config.vocabulary, (2, config.context))


def _logits(config, params):
    tokens = jnp.asarray(_tokens(config), jnp.int32)
    return np.asarray(_compiled(config)(params, tokens), np.float64)


def _compiled(config):
    model = Transformer(config, EXECUTION)
    return jax.jit(lambda params, tokens: model.apply({"params": params}, tokens))


def _equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert jax.tree.structure(one) == jax.tree.structure(other)


@pytest.fixture
def saved(tmp_path):
    save_gpt2(tmp_path / "saved", CONFIG, _random_params(CONFIG))
    return tmp_path / "saved"


def _change_tensors(folder, change):
    """Rewrites the tensors as `change`, given all, leaves them."""
    tensors = files.load_file(folder / WEIGHTS)
    change(tensors)
    files.save_file(tensors, folder / WEIGHTS)


def _change_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _shard(folder, count=3):
    """Cuts the file into parts with an index."""
    tensors = files.load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    places = {}
    for number in range(count):
        name = f"model-{number + 1:05}-of-{count:05}.safetensors"
        part = {key: tensors[key] for key in list(tensors)[number::count]}
        files.save_file(part, folder / name)
        places |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


@pytest.fixture
def torch_libraries():
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _their_logits(model, config):
    import torch

    with torch.no_grad():
        return model(torch.tensor(_tokens(config))).logits.double().numpy()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"activation_function": "gelu", "n_inner": None},
        {"activation_function": "relu", "n_head": 1, "n_layer": 1},
        {"activation_function": "relu2", "tie_word_embeddings": False},
        {"activation_function": "gelu_pytorch_tanh", "n_head": 8},
    ],
    ids=str,
)
def test_their_checkpoint_gives_their_logits_here(change, tmp_path, torch_libraries):
    import torch

    sizes = {"vocab_size": 65, "n_positions": 16, "n_embd": 24, "n_layer": 3}
    fields = {**sizes, "n_head": 4, "n_inner": 40, **change}
    theirs = torch_libraries.GPT2Config(
        **fields, bos_token_id=None, eos_token_id=None, attn_implementation="eager"
    )
    model = torch_libraries.GPT2LMHeadModel(theirs).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3, generator=generator)
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "parts", max_shard_size="5KB")
    assert not (tmp_path / "parts" / WEIGHTS).exists()
    config, params = load_gpt2(tmp_path / "one")
    expected = _their_logits(model, config)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(_logits(config, params), expected, atol=1e-4, rtol=0)
    of_parts = load_gpt2(tmp_path / "parts")
    assert of_parts[0] == config
    _equal(of_parts[1], params)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tied": False, "activation": "gelu_exact", "neurons": 0},
        {"activation": "relu_squared", "key_value_heads": 4, "dropout": 0.0},
    ],
    ids=str,
)
def test_our_checkpoint_gives_our_logits_there(change, tmp_path, torch_libraries):
    config = dataclasses.replace(CONFIG, **change)
    params = _random_params(config)
    save_gpt2(tmp_path, config, params)
    model, report = torch_libraries.GPT2LMHeadModel.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert not set(report["missing_keys"]) - {"lm_head.weight"}  # where it is tied
    np.testing.assert_allclose(
        _their_logits(model.eval(), config), _logits(config, params), atol=1e-4, rtol=0
    )


@pytest.mark.smoke
@pytest.mark.parametrize("change", [{}, {"tied": False, "layers": 1}], ids=str)
def test_saved_and_loaded_is_the_same_to_the_bit(change, tmp_path):
    config = dataclasses.replace(CONFIG, **change)
    params = _random_params(config)
    save_gpt2(tmp_path / "new" / "folder", config, params)
    loaded_config, loaded = load_gpt2(str(tmp_path / "new" / "folder"))
    assert loaded_config == config
    _equal(loaded, params)
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"config.json", WEIGHTS}


def test_a_compiled_model_runs_on_loaded_parameters(saved):
    config, params = load_gpt2(saved)
    logits = _compiled(config)(params, jnp.asarray(_tokens(config)))
    assert logits.shape == (2, 16, 65)
    np.testing.assert_array_equal(logits, _logits(config, _random_params(config)))


def test_query_key_and_value_lie_side_by_side_in_that_order(saved):
    blocks = _random_params(CONFIG)["blocks"]["attention"]
    tensor = files.load_file(saved / WEIGHTS)["transformer.h.2.attn.c_attn.weight"]
    for number, name in enumerate(("query", "key", "value_down")):
        columns = tensor[:, 24 * number : 24 * (number + 1)]
        np.testing.assert_array_equal(columns, blocks[name]["kernel"][2])


def test_boxed_parameters_are_saved_too(tmp_path, key):
    shapes = jax.eval_shape(lambda key: initial_params(CONFIG, key), key)
    boxed = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.5), shapes)
    assert isinstance(boxed["embedding"]["tokens"], nn.LogicallyPartitioned)
    save_gpt2(tmp_path, CONFIG, boxed)
    _equal(load_gpt2(tmp_path)[1], nn.unbox(boxed))


def test_saving_again_replaces_the_model(saved):
    relu = dataclasses.replace(CONFIG, activation="relu")
    save_gpt2(saved, relu, _random_params(relu, seed=1))
    config, params = load_gpt2(saved)
    assert config == relu
    _equal(params, _random_params(relu, seed=1))


def test_names_without_prefix_masks_and_a_second_table_are_understood(saved):
    def change(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = np.tril(np.ones((1, 1, 16, 16), np.float32))
        tensors["h.2.attn.masked_bias"] = np.array(-1e4, np.float32)
        tensors["lm_head.weight"] = tensors["wte.weight"]

    _change_tensors(saved, change)
    _equal(load_gpt2(saved)[1], _random_params(CONFIG))


def test_parts_with_an_index_are_joined(saved):
    _shard(saved)
    _equal(load_gpt2(saved)[1], _random_params(CONFIG))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_becomes_float32(saved, dtype):
    def change(tensors):
        tensors |= {name: array.astype(dtype) for name, array in tensors.items()}

    _change_tensors(saved, change)
    loaded = load_gpt2(saved)[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded)} == {jnp.dtype(jnp.float32)}
    rounded = jax.tree.map(
        lambda leaf: leaf.astype(dtype).astype(jnp.float32), _random_params(CONFIG)
    )
    _equal(loaded, rounded)


def _broken(change):
    return lambda folder: _change_tensors(folder, change)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _to_pickle(folder):
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def _lose_a_part(folder):
    _shard(folder)
    (folder / "model-00002-of-00003.safetensors").unlink()


def _index(content):
    def write(folder):
        (folder / WEIGHTS).unlink()
        (folder / f"{WEIGHTS}.index.json").write_text(content)

    return write


WRONG = {
    "no config": (
        lambda folder: (folder / "config.json").unlink(),
        r"config\.json: cannot be read \(No such file or directory\); get ",
    ),
    "broken config": (
        lambda folder: (folder / "config.json").write_text('{"n_layer": '),
        r"config\.json: cannot be read \(Expecting value.*\); get the whole file anew",
    ),
    "config is a list": (
        lambda folder: (folder / "config.json").write_text("[]"),
        r"config\.json: holds no JSON object in braces; get",
    ),
    "no weights": (
        lambda folder: (folder / WEIGHTS).unlink(),
        r"saved: holds no model\.safetensors; put it beside config\.json",
    ),
    "only a pickle": (
        _to_pickle,
        r"holds pytorch_model\.bin but no model\.safetensors; .*save_pretrained\(",
    ),
    "truncated": (
        lambda folder: _truncate(folder / WEIGHTS),
        r"model\.safetensors: cannot be read \(.*\); get the whole file anew",
    ),
    "empty": (
        lambda folder: (folder / WEIGHTS).write_bytes(b""),
        r"model\.safetensors: cannot be read \(.*\); get the whole file anew",
    ),
    "missing tensor": (
        _broken(lambda tensors: tensors.pop("transformer.h.1.ln_2.bias")),
        r"saved: h\.1\.ln_2\.bias is missing, .*; get all files anew",
    ),
    "missing layers": (
        lambda folder: _change_config(folder, n_layer=5),
        r"saved: h\.3\.ln_1\.weight and 23 more are missing, .* put right the sizes",
    ),
    "extra tensor": (
        _broken(lambda tensors: tensors.update(score=np.ones(3, np.float32))),
        r"safetensors: score is not of the GPT-2 .*; .* or save the model without",
    ),
    "extra layer": (
        lambda folder: _change_config(folder, n_layer=2),
        r"transformer\.h\.2\.\S+ and 11 more are not of the GPT-2 .*; put right the",
    ),
    "wrong shape": (
        lambda folder: _change_config(folder, n_positions=32),
        r"wpe\.weight has the shape \(16, 24\), but config\.json asks for \(32, 24\);",
    ),
    "integers": (
        _broken(
            lambda tensors: tensors.update(
                {"transformer.wpe.weight": np.ones((16, 24), np.int8)}
            )
        ),
        r"wpe\.weight holds I8 numbers; save the model in one of F32, F16, BF16",
    ),
    "twice": (
        _broken(
            lambda tensors: tensors.update(
                {"ln_f.bias": tensors["transformer.ln_f.bias"]}
            )
        ),
        r"ln_f\.bias is there twice, .*; save the model anew",
    ),
    "two tables": (
        _broken(
            lambda tensors: tensors.update(
                {"lm_head.weight": 2 * tensors["transformer.wte.weight"]}
            )
        ),
        r"lm_head\.weight differs from wte\.weight, .* tie_word_embeddings: false",
    ),
    "lost part": (
        _lose_a_part,
        r"model-00002-of-00003\.safetensors: cannot be read \(No such file.*\); get",
    ),
    "broken index": (
        _index("{"),
        r"index\.json: cannot be read \(.*\); get the whole file anew",
    ),
    "index without names": (
        _index('{"weight_map": {}}'),
        r"index\.json: has no weight_map of tensor names to files; get it anew",
    ),
    "index leads elsewhere": (
        _index('{"weight_map": {"wte.weight": "../secret.safetensors"}}'),
        r"index\.json: names \.\./secret\.safetensors, which is not in its folder;",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(saved, case):
    spoil, message = WRONG[case]
    load_gpt2(saved)
    spoil(saved)
    with pytest.raises(InputError, match=message) as caught:
        load_gpt2(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gpt2", "file"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"no such folder, and nothing is fetched"):
        load_gpt2(tmp_path / name)


def test_a_save_that_fails_leaves_the_old_model(saved, monkeypatch):
    def full(*_, **__):
        (saved / f"{WEIGHTS}.partial").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(InputError, match=r"No space left on device\); give a folder"):
        save_gpt2(saved, CONFIG, _random_params(CONFIG, seed=1))
    assert {path.name for path in saved.iterdir()} == {"config.json", WEIGHTS}
    _equal(load_gpt2(saved)[1], _random_params(CONFIG))


def test_a_file_is_no_place_to_save_to(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"file: cannot be written \(File exists\);"):
        save_gpt2(tmp_path / "file", CONFIG, _random_params(CONFIG))
    assert (tmp_path / "file").read_text() == "mine"


def test_parameters_of_another_config_are_not_saved(tmp_path):
    wider = dataclasses.replace(CONFIG, neurons=41)
    with pytest.raises(
        InputError, match=r"params blocks/mlp/down_projection/kernel: .*; give the"
    ):
        save_gpt2(tmp_path / "new", wider, _random_params(CONFIG))
    untied = dataclasses.replace(CONFIG, tied=False)
    with pytest.raises(InputError, match=r"embedding/unembedding: the shape is None,"):
        save_gpt2(tmp_path / "new", untied, _random_params(CONFIG))
    assert not (tmp_path / "new").exists()


def test_without_safetensors_the_extra_is_named(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for act in (
        lambda: load_gpt2(saved),
        lambda: save_gpt2(tmp_path / "new", CONFIG, _random_params(CONFIG)),
    ):
        with pytest.raises(InputError, match=r"safetensors is missing, .*\[guide\]"):
            act()
    assert not (tmp_path / "new").exists()
