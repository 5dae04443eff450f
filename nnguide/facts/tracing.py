"""Where a transformer keeps its facts: causal tracing over (layer, token).

Three runs on one prompt: a clean one; one whose subject is drowned in noise, which
loses the answer; and the noisy one with a single vector of the clean one put back. How
much of the answer comes back is that place's indirect effect. Vectors are read by
Linen's `sow` and `capture_intermediates` and put back by its `intercept_methods`: the
model is the one that was trained, its layers run one by one.

Source: Meng et al., arXiv 2202.05262, section 2.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer

Part = Literal["embedding", "state", "mlp", "attention"]
Change = Callable[[Part, int, Array], Array]
PARTS: tuple[Part, ...] = ("state", "mlp", "attention")
_CAPTURED = [("embedding",), ("mlp",), ("attention",)]  # whose outputs Linen keeps
_WATCHED = Execution(layers="loop", blocks="xla")  # each part is a module that runs


class Activations(NamedTuple):
    """What passes by in one run.

    Attributes:
      embedding: the vectors before the first layer.
      state: the residual stream after each layer.
      mlp: what each MLP block adds to it.
      attention: what each attention block adds to it.
      neurons: the MLPs' activations, the keys of the down-projection.
      logits: of the next tokens.
    """

    embedding: Float[Array, "B T D"]
    state: Float[Array, "L B T D"]
    mlp: Float[Array, "L B T D"]
    attention: Float[Array, "L B T D"]
    neurons: Float[Array, "L B T F"]
    logits: Float[Array, "B T V"]


class Prompts(NamedTuple):
    """Sentences that ask for an answer.

    Attributes:
      tokens: what is read.
      places: where each role stands; the answer is asked for at the last one.
      answers: token ids.
    """

    tokens: Int[Array, "B T"]
    places: Int[Array, "B roles"]
    answers: Int[Array, "B"]


class Traced(NamedTuple):
    """Probabilities of the answers, means over the samples of noise.

    Attributes:
      clean: of the model as it is.
      corrupted: with noise on the subject.
      restored: with noise, and one vector as in the clean run: part, layer, role.
    """

    clean: Float[Array, "B"]
    corrupted: Float[Array, "B"]
    restored: Float[Array, "parts L roles B"]


def read(
    config: TransformerConfig, params: Params, tokens: Int[Array, "B T"]
) -> Activations:
    """Runs the model and keeps what passes by; pure, may be jitted."""

    def called(module: nn.Module, method: str) -> bool:
        return method == "__call__" and module.path[-1:] in _CAPTURED

    logits, kept = Transformer(config, _WATCHED).apply(
        {"params": params}, tokens,
        capture_intermediates=called, mutable=["intermediates"],
    )  # fmt: skip
    passed: Any = kept["intermediates"]
    layers = [passed["blocks"][f"layer_{n}"] for n in range(config.layers)]

    def stacked(read_one: Callable[[Any], Array]) -> Array:
        return jnp.stack([read_one(layer) for layer in layers])

    return Activations(
        embedding=passed["embedding"]["__call__"][0],
        state=stacked(lambda layer: layer["after_mlp"][0]),
        mlp=stacked(lambda layer: layer["mlp"]["__call__"][0]),
        attention=stacked(lambda layer: layer["attention"]["__call__"][0][0]),
        neurons=stacked(lambda layer: layer["mlp"]["neurons"][0]),
        logits=jnp.asarray(logits),
    )


def logits_with(
    config: TransformerConfig,
    params: Params,
    tokens: Int[Array, "B T"],
    change: Change,
) -> Float[Array, "B T V"]:
    """Runs the model and lets `change` replace what its parts give.

    Args:
      config: of the transformer.
      params: its parameters.
      tokens: what it reads.
      change: part, layer, output -> the output to go on with. A state is the stream
        after a layer; the embedding comes with layer 0.
    """

    def intercept(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = run(*args, **kwargs)
        site = _site(context.module.path)
        if site is None or context.method_name != "__call__":
            return output
        if isinstance(output, tuple):  # blocks and attention give keys and values too
            return (change(*site, output[0]), *output[1:])
        return change(*site, output)

    with nn.intercept_methods(intercept):
        logits = Transformer(config, _WATCHED).apply({"params": params}, tokens)
    return jnp.asarray(logits)


def _site(path: tuple[str, ...]) -> tuple[Part, int] | None:
    """The part and layer that a module is, if we ever change it."""
    match path:
        case ("embedding",):
            return "embedding", 0
        case ("blocks", layer):
            return "state", int(layer.removeprefix("layer_"))
        case ("blocks", layer, "mlp"):
            return "mlp", int(layer.removeprefix("layer_"))
        case ("blocks", layer, "attention"):
            return "attention", int(layer.removeprefix("layer_"))
    return None


def asked(logits: Float[Array, "B T V"], prompts: Prompts) -> Float[Array, "B V"]:
    """The logits where the answers are asked for."""
    return jnp.take_along_axis(logits, prompts.places[:, -1:, None], axis=1)[:, 0]


def probability(logits: Float[Array, "B T V"], prompts: Prompts) -> Float[Array, "B"]:
    """What the model gives each answer where it is asked for."""
    share = jax.nn.softmax(asked(logits, prompts), axis=-1)
    return jnp.take_along_axis(share, prompts.answers[:, None], axis=-1)[:, 0]


def trace_facts(
    config: TransformerConfig,
    params: Params,
    prompts: Prompts,
    subject: tuple[int, ...],
    key: Key,
    *,
    samples: int,
    noise: float = 3.0,
) -> Traced:
    """Restores each part of each layer at each role, one at a time.

    One program serves all sites: a site is a mask over (part, layer, token).

    Args:
      config: of the transformer.
      params: its parameters.
      prompts: which it should answer.
      subject: the roles whose embeddings are corrupted.
      key: of the noise.
      samples: of noise, for each prompt.
      noise: its standard deviation over that of the subjects' embeddings.
    """
    clean = read(config, params, prompts.tokens)
    # (B, T, roles): whether a token plays a role
    places = jnp.arange(prompts.tokens.shape[1])[None, :, None]
    plays = prompts.places[:, None] == places
    in_subject = plays[:, :, jnp.array(subject)].any(-1, keepdims=True)
    drowned = _on_subject(clean.embedding, in_subject, key, samples, noise)

    def at_site(site: Int[Array, "4"]) -> Float[Array, "B"]:
        part, layer, role, on = site
        chosen = jnp.zeros((len(PARTS), config.layers), bool)
        chosen = chosen.at[part, layer].set(on == 1)[:, :, None, None, None]
        restored = chosen & plays[None, None, :, :, role, None]

        def answered(noise: Array) -> Array:
            def change(part: Part, layer: int, output: Array) -> Array:
                if part == "embedding":
                    return output + noise
                mask = restored[PARTS.index(part), layer]
                return jnp.where(mask, getattr(clean, part)[layer], output)

            logits = logits_with(config, params, prompts.tokens, change)
            return probability(logits, prompts)

        return jax.vmap(answered)(drowned).mean(axis=0)

    shape = (len(PARTS), config.layers, prompts.places.shape[1])
    answers = jax.lax.map(at_site, _sites(shape))
    return Traced(
        clean=probability(clean.logits, prompts),
        corrupted=answers[0],
        restored=answers[1:].reshape(*shape, -1),
    )


def _on_subject(
    embedding: Float[Array, "B T D"], in_subject: Bool[Array, "B T 1"], key: Key,
    samples: int, noise: float,
) -> Float[Array, "samples B T D"]:  # fmt: skip
    """Noise on the subjects' tokens, in units of their embeddings' spread."""
    spread = jnp.std(embedding, where=in_subject)
    drawn = jax.random.normal(key, (samples, *embedding.shape), jnp.float32)
    return noise * spread * drawn * in_subject[None]


def _sites(shape: tuple[int, int, int]) -> Int[Array, "sites 4"]:
    """First none, then every (part, layer, role); the last number says which."""
    numbers = jnp.arange(math.prod(shape))
    every = jnp.stack([*jnp.unravel_index(numbers, shape), jnp.ones_like(numbers)])
    return jnp.concatenate([jnp.zeros((1, 4), numbers.dtype), every.T])


def effects(traced: Traced) -> tuple[Array, Float[Array, "parts L roles"]]:
    """The average total effect, and the average indirect effects over it.

    A share of 1 gives the whole answer back, 0 nothing of it.
    """
    corrupted = traced.corrupted.mean()
    total = traced.clean.mean() - corrupted
    return total, (traced.restored.mean(axis=-1) - corrupted) / total
