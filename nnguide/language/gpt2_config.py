"""GPT-2's config.json and `TransformerConfig`, each made from the other.

Source of the fields, their meaning and their defaults: `GPT2Config` of the library
transformers.
"""

from pathlib import Path
from typing import Any, NoReturn

from nnguide.config import InputError
from nnguide.transformer.config import Activation, TransformerConfig
from nnguide.transformer.norm import EPSILON

_SIZES = {
    "vocab_size": "vocabulary",
    "n_positions": "context",
    "n_layer": "layers",
    "n_embd": "embedding",
    "n_head": "heads",
    "n_inner": "neurons",
}
_DROPOUTS = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
_DEFAULTS: dict[str, Any] = {  # what a config.json without the field means
    "vocab_size": 50_257,
    "n_positions": 1024,
    "n_layer": 12,
    "n_embd": 768,
    "n_head": 12,
    "n_inner": None,
    "activation_function": "gelu_new",
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
    **dict.fromkeys(_DROPOUTS, 0.1),
}
_ACTIVATIONS: dict[str, Activation] = {  # the first of two names is written
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu_exact",
    "relu": "relu",
    "relu2": "relu_squared",
}
_ONE_VALUE = {  # of theirs that change what is computed
    "model_type": "gpt2",
    "layer_norm_epsilon": EPSILON,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
_GPT2_HAS = {  # of ours that change what is computed
    "blocks": "attention_and_mlp",
    "positions": "learned",
    "norm": "layer_norm",
    "biases": True,
    "causal": True,
    "qk_norm": False,
    "attention_softcap": 0.0,
    "logit_softcap": 0.0,
}
_END_OF_TEXT = 50_256  # in GPT-2's own vocabulary, its only special token


def from_their_config(fields: dict[str, Any], path: Path) -> TransformerConfig:
    """Understands a config.json.

    Args:
      fields: what the file holds; other fields than GPT-2's language model has are
        ignored.
      path: of the file, for messages.

    Raises:
      InputError: it describes something else than GPT-2, or nothing that works.
    """
    for name, value in _ONE_VALUE.items():
        if fields.get(name, value) != value:
            _refuse(path, name, fields[name], f"only {value!r} can be loaded")
    ours: dict[str, Any] = {
        mine: _size(path, theirs, fields.get(theirs, _DEFAULTS[theirs]))
        for theirs, mine in _SIZES.items()
    }
    numbers = {
        name: _number(path, name, fields.get(name, _DEFAULTS[name]))
        for name in ("initializer_range", *_DROPOUTS)
    }
    dropouts = [numbers[name] for name in _DROPOUTS]
    if len(set(dropouts)) > 1:
        what = f"must equal {' and '.join(_DROPOUTS[1:])}; write one rate to all three"
        _refuse(path, _DROPOUTS[0], dropouts[0], what)
    activation = fields.get("activation_function", _DEFAULTS["activation_function"])
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        names = ", ".join(_ACTIVATIONS)
        _refuse(path, "activation_function", activation, f"choose from {names}")
    tied = fields.get("tie_word_embeddings", _DEFAULTS["tie_word_embeddings"])
    if not isinstance(tied, bool):
        _refuse(path, "tie_word_embeddings", tied, "write true or false")
    try:
        return TransformerConfig(
            **ours,
            activation=_ACTIVATIONS[activation],
            tied=tied,
            dropout=dropouts[0],
            initial_std=numbers["initializer_range"],
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def to_their_config(config: TransformerConfig) -> dict[str, Any]:
    """What config.json holds for a config that `check_expressible` lets through."""
    names = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
    end = _END_OF_TEXT if config.vocabulary > _END_OF_TEXT else None
    return {
        "architectures": ["GPT2LMHeadModel"],
        **_ONE_VALUE,
        **{theirs: getattr(config, ours) for theirs, ours in _SIZES.items()},
        "n_inner": config.neurons or None,
        "activation_function": names[config.activation],
        "initializer_range": config.initial_std,
        "tie_word_embeddings": config.tied,
        **dict.fromkeys(_DROPOUTS, config.dropout),
        "bos_token_id": end,
        "eos_token_id": end,
    }


def check_expressible(config: TransformerConfig) -> None:
    """Refuses what GPT-2's format has no words for.

    Raises:
      InputError: with the first such field.
    """
    for name, value in _GPT2_HAS.items():
        if getattr(config, name) != value:
            _cannot_express(config, name, value)
    if config.groups != config.heads:
        _cannot_express(config, "key_value_heads", f"0 or {config.heads}")
    if config.activation not in _ACTIVATIONS.values():
        _cannot_express(config, "activation", ", ".join(set(_ACTIVATIONS.values())))


def _cannot_express(config: TransformerConfig, name: str, value: Any) -> NoReturn:
    raise InputError(
        f"model.{name}={getattr(config, name)}: GPT-2's format cannot say this; train "
        f"a model with {value}, or use this one from its run's folder."
    )


def _size(path: Path, name: str, value: Any) -> int:
    if value is None and name == "n_inner":
        return 0  # four times the embedding, as here
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        _refuse(path, name, value, "write a whole number of 1 or more")
    return value


def _number(path: Path, name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        _refuse(path, name, value, "write a number")
    return float(value)


def _refuse(path: Path, name: str, value: Any, remedy: str) -> NoReturn:
    raise InputError(f"{path}: {name}={value!r}: {remedy}.")
