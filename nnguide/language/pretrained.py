"""GPT-2 checkpoints in the layout of Hugging Face: a folder of two files.

config.json says what the model is, model.safetensors holds its tensors (or
model.safetensors.index.json names the files that do). Nothing is fetched, and no pickle
is ever read.

GPT-2 keeps a layer's query, key and value-down kernels side by side in one tensor, and
a tensor for each layer; here they are apart, each stacked over the layers. Kernels are
(in, out) in both.

Sources: Radford et al. 2019; the layout: `GPT2LMHeadModel` of the library transformers.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nnguide.array_types import Params
from nnguide.config import InputError, user_path
from nnguide.language.gpt2_config import (
    check_expressible,
    from_their_config,
    to_their_config,
)
from nnguide.language.safetensors_folder import (
    CONFIG,
    WEIGHTS,
    FoundTensor,
    read_json,
    tensors_in,
    write,
)
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.parameter_count import every_parameter

_PREFIX = "transformer."  # which some files have before all names but the head's
_HEAD = "lm_head.weight"
_BUFFER = re.compile(r"h\.\d+\.attn\.(masked_)?bias")  # masks, not parameters
_FLOATS = ("F32", "F16", "BF16")
_APART = ("query", "key", "value_down")  # and side by side in their tensors
_IN_BLOCK = {  # their name -> ours
    "ln_1.weight": ("attention_norm/scale",),
    "ln_1.bias": ("attention_norm/bias",),
    "attn.c_attn.weight": tuple(f"attention/{name}/kernel" for name in _APART),
    "attn.c_attn.bias": tuple(f"attention/{name}/bias" for name in _APART),
    "attn.c_proj.weight": ("attention/value_up/kernel",),
    "attn.c_proj.bias": ("attention/value_up/bias",),
    "ln_2.weight": ("mlp_norm/scale",),
    "ln_2.bias": ("mlp_norm/bias",),
    "mlp.c_fc.weight": ("mlp/up_projection/kernel",),
    "mlp.c_fc.bias": ("mlp/up_projection/bias",),
    "mlp.c_proj.weight": ("mlp/down_projection/kernel",),
    "mlp.c_proj.bias": ("mlp/down_projection/bias",),
}
_OUTSIDE = {
    "wte.weight": "embedding/tokens",
    "wpe.weight": "embedding/positions",
    "ln_f.weight": "final_norm/scale",
    "ln_f.bias": "final_norm/bias",
    _HEAD: "embedding/unembedding",
}


class _Tensor(NamedTuple):
    """One tensor of theirs: our arrays in it, side by side, and where in those."""

    paths: tuple[str, ...]
    place: Any  # a layer's number, or ... for a whole array
    shape: tuple[int, ...]


def load_gpt2(folder: Path | str) -> tuple[TransformerConfig, Params]:
    """Reads a GPT-2 of any size; half precision becomes float32.

    Args:
      folder: with config.json and model.safetensors, or its index and parts. The
        tensors' names may begin with "transformer." or not.

    Returns:
      The config, and the parameters as `Transformer(config)` takes them.

    Raises:
      InputError: something is missing, broken, of another shape, no GPT-2, or not to be
        had without unpickling; or safetensors is not installed.
    """
    folder = user_path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: there is no such folder, and nothing is fetched by name; give "
            f"a folder on this machine that holds {CONFIG} and {WEIGHTS}."
        )
    config = from_their_config(read_json(folder / CONFIG), folder / CONFIG)
    wanted = _tensors(config)
    found = _by_name(tensors_in(folder))
    if config.tied:
        _drop_tied_head(found)
    _check_names(folder, found, wanted)
    _check_shapes(found, wanted)
    flat = {
        row.path: np.empty(row.stored, np.float32) for row in every_parameter(config)
    }
    for name, tensor in wanted.items():
        parts = np.split(found[name].read(), len(tensor.paths), axis=-1)
        for path, part in zip(tensor.paths, parts, strict=True):
            flat[path][tensor.place] = part
    return config, _nested(flat)


def save_gpt2(folder: Path | str, config: TransformerConfig, params: Params) -> None:
    """Writes a GPT-2 that `load_gpt2` and the library transformers read, in float32.

    `z_loss` matters in training alone and is not written. The files appear whole; a
    model that was there is replaced.

    Args:
      folder: made if need be.
      config: what GPT-2 can express; tied or not, any sizes.
      params: as `Transformer(config)` takes them, boxed or not.

    Raises:
      InputError: the config is no GPT-2's, the parameters are not the config's, the
        folder cannot be written to; or safetensors is not installed.
    """
    check_expressible(config)
    flat = _flat(config, params)
    tensors: dict[str, np.ndarray] = {}
    for name, tensor in _tensors(config).items():
        parts = [flat[path][tensor.place] for path in tensor.paths]
        prefix = "" if name == _HEAD else _PREFIX
        tensors[prefix + name] = np.ascontiguousarray(np.concatenate(parts, axis=-1))
    write(user_path(folder), to_their_config(config), tensors)


def _tensors(config: TransformerConfig) -> dict[str, _Tensor]:
    """Every tensor that a GPT-2 of this config has, by its name without the prefix."""
    stored = {row.path: row.stored for row in every_parameter(config)}
    tensors = {
        theirs: _Tensor((ours,), ..., stored[ours])
        for theirs, ours in _OUTSIDE.items()
        if ours in stored
    }
    for layer in range(config.layers):
        for theirs, ours in _IN_BLOCK.items():
            paths = tuple(f"blocks/{path}" for path in ours)
            _, *before, last = stored[paths[0]]
            shape = (*before, last * len(paths))
            tensors[f"h.{layer}.{theirs}"] = _Tensor(paths, layer, shape)
    return tensors


def _by_name(tensors: list[FoundTensor]) -> dict[str, FoundTensor]:
    """Without the prefix, and without what is no parameter."""
    found: dict[str, FoundTensor] = {}
    for tensor in tensors:
        name = tensor.name.removeprefix(_PREFIX)
        if name in found:
            raise InputError(
                f"{tensor.file}: {tensor.name} is there twice, also as "
                f"{found[name].name} in {found[name].file.name}; save the model anew."
            )
        if not _BUFFER.fullmatch(name):
            found[name] = tensor
    return found


def _drop_tied_head(found: dict[str, FoundTensor]) -> None:
    """Some files hold the embedding's table a second time."""
    head, table = found.pop(_HEAD, None), found.get("wte.weight")
    if head and table and not np.array_equal(head.read(), table.read()):
        raise InputError(
            f"{head.file}: {_HEAD} differs from wte.weight, though {CONFIG} ties them; "
            "write tie_word_embeddings: false there to keep both."
        )


def _check_names(
    folder: Path, found: dict[str, FoundTensor], wanted: dict[str, _Tensor]
) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(
            f"{folder}: {_some(missing)} missing, which {CONFIG} asks for; get all "
            f"files anew, or put right the sizes in {CONFIG}."
        )
    extra = [tensor for name, tensor in found.items() if name not in wanted]
    if extra:
        raise InputError(
            f"{extra[0].file}: {_some([tensor.name for tensor in extra])} not of the "
            f"GPT-2 that {CONFIG} describes; put right the sizes there, or save the "
            "model without."
        )


def _check_shapes(found: dict[str, FoundTensor], wanted: dict[str, _Tensor]) -> None:
    for name, (_, _, shape) in wanted.items():
        tensor = found[name]
        if tensor.shape != shape:
            raise InputError(
                f"{tensor.file}: {name} has the shape {tensor.shape}, but {CONFIG} "
                f"asks for {shape}; put right the sizes there, or get the file anew."
            )
        if tensor.element not in _FLOATS:
            raise InputError(
                f"{tensor.file}: {name} holds {tensor.element} numbers; save the model "
                f"in one of {', '.join(_FLOATS)}."
            )


def _some(names: list[str]) -> str:
    """A name or the number of them, with the verb."""
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{names[0]} and {len(names) - 1} more are"


def _flat(config: TransformerConfig, params: Params) -> dict[str, np.ndarray]:
    """The arrays by path, found to be those of the config."""
    leaves = jax.tree_util.tree_leaves_with_path(nn.unbox(params))
    flat = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }
    wanted = {row.path: row.stored for row in every_parameter(config)}
    for path in sorted(wanted.keys() | flat.keys()):
        has = flat[path].shape if path in flat else None
        if has != wanted.get(path):
            raise InputError(
                f"params {path}: the shape is {has}, but the config asks for "
                f"{wanted.get(path)}; give the config that the parameters are of."
            )
    return {path: array.astype(np.float32) for path, array in flat.items()}


def _nested(flat: dict[str, np.ndarray]) -> Params:
    tree: dict[str, Any] = {}
    for path, array in flat.items():
        *folders, leaf = path.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = jnp.asarray(array)
    return tree
