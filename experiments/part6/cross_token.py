"""Which parts of a transformer let tokens talk to each other, by their Jacobians.

Block (t, s) of a part's Jacobian, D by D, says how what leaves it at token t depends on
what entered at token s. Norms and MLP blocks treat each vector alone: every block off
the diagonal is exactly 0. Attention is the only place where vectors meet, and its mask
makes the blocks above the diagonal exactly 0.

Source: 3Blue1Brown, "Transformers, the tech behind LLMs": in the attention block "these
vectors talk to each other", in the MLP block they "don't talk to each other".
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments.part6.setting import Setting, network
from experiments.study import check
from nnguide.array_types import Array, Params
from nnguide.plots import style
from nnguide.plots.cross_token import cross_token
from nnguide.results import Claim
from nnguide.transformer.attention import Attention, Sight
from nnguide.transformer.blocks import all_layers
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.embedding import rotation
from nnguide.transformer.mlp_block import MlpBlock
from nnguide.transformer.model import Transformer
from nnguide.transformer.norm import Normalize
from nnguide.transformer.tracing import trace

EXECUTION = Execution(attention="written_out", blocks="xla")
Norms = Float[np.ndarray, "L T S"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Where the Jacobians are taken.

    Attributes:
      tokens: of the validation text that are read.
    """

    tokens: int = 16

    def __post_init__(self) -> None:
        check("cross_token", self, tokens=2)


def block_norms(
    part: Callable[[Float[Array, "T D"]], Float[Array, "T E"]], x: Float[Array, "T D"]
) -> Float[Array, "T S"]:
    """The Frobenius norms of a Jacobian's blocks: row t out, column s in."""

    def column(place: Array) -> Float[Array, "T"]:
        """One input token's blocks.

        By itself, forward: XLA's CPU backend (jaxlib 0.10.2) compiles the reverse
        Jacobian of a norm wrongly as soon as 256 rows of it are taken at once.
        """
        jacobian = jax.jacfwd(lambda vector: part(x.at[place].set(vector)))(x[place])
        return jnp.sqrt(jnp.square(jacobian).sum(axis=(1, 2)))  # of (T, E, D)

    return jax.lax.map(column, jnp.arange(len(x))).T


def parts_of(
    config: TransformerConfig, layer: Any
) -> dict[str, Callable[[Float[Array, "T D"]], Float[Array, "T D"]]]:
    """The parts of one block as functions of the vectors that enter them.

    Args:
      config: of the transformer.
      layer: the block's parameters.
    """
    norm = Normalize(config.norm, config.biases)
    attention, mlp = Attention(config, EXECUTION), MlpBlock(config)

    def attend(x: Array) -> Any:
        sight = _sight(config, len(x))
        written: Any = attention.apply({"params": layer["attention"]}, x[None], sight)
        return written[0][0]

    def normalize(x: Array) -> Any:
        return norm.apply({"params": layer["attention_norm"]}, x)

    def think(x: Array) -> Any:
        return mlp.apply({"params": layer["mlp"]}, x)

    return {"norm": normalize, "attention": attend, "mlp": think}


def measure(
    config: TransformerConfig, params: Params, tokens: Int[Array, "T"]
) -> dict[str, Norms]:
    """The block norms of every layer's parts, and of the whole transformer.

    Each part is taken at the vectors that really enter it.

    Args:
      config: of the transformer; its blocks have attention and MLP.
      params: its parameters.
      tokens: what it reads.
    """
    seen = jax.jit(lambda p, t: trace(config, p, t, EXECUTION))(params, tokens[None])
    assert seen.after_attention is not None
    assert seen.after_mlp is not None
    before = jnp.concatenate([seen.embedding[None], seen.after_mlp[:-1]])[:, 0]

    @jax.jit
    def layer_norms(layer: Any, x: Array, middle: Array) -> dict[str, Array]:
        parts = parts_of(config, layer)
        norm = Normalize(config.norm, config.biases)
        into_mlp: Any = norm.apply({"params": layer["mlp_norm"]}, middle)
        entering = {"norm": x, "attention": parts["norm"](x), "mlp": into_mlp}
        return {name: block_norms(parts[name], entering[name]) for name in parts}

    layers = [
        layer_norms(_layer(params, number), before[number], middle[0])
        for number, middle in enumerate(seen.after_attention)
    ]
    norms = {
        name: np.stack([np.asarray(each[name]) for each in layers])
        for name in layers[0]
    }
    whole = jax.jit(
        lambda params, x: block_norms(lambda x: _logits(config, params, x), x)
    )(params, seen.embedding[0])
    return {**norms, "transformer": np.asarray(whole)[None]}


def _layer(params: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], params["blocks"])


def _logits(
    config: TransformerConfig, params: Params, x: Float[Array, "T D"]
) -> Float[Array, "T V"]:
    """What the transformer says to given vectors in the place of embedded tokens."""

    def run(module: Any, x: Array) -> Array:
        sight = _sight(config, x.shape[1])
        x, _ = module.blocks(x, all_layers(config), sight, None)
        return module.unembed(module.final_norm(x))

    logits: Any = Transformer(config, EXECUTION).apply(
        {"params": params}, x[None], method=run
    )
    return logits[0]


def _sight(config: TransformerConfig, tokens: int) -> Sight:
    if config.positions != "rotary":
        return Sight()
    return Sight(rotation(jnp.arange(tokens)[None], config.head_width))


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Takes the Jacobians of a trained network on a stretch of text, and draws them."""
    model = setting.model
    tokens = jnp.asarray(setting.text.validation[: config.tokens], jnp.int32)
    norms = measure(model, network(setting.trained()), tokens)
    words = [setting.tokenizer.token_text(token) for token in tokens.tolist()]
    picture = style.save(
        cross_token(setting.theme, words, {k: v[-1] for k, v in norms.items()}),
        setting.workdir,
        "cross_token",
        words=words,
        **norms,
    )
    return _claims(norms), [picture]


def _claims(norms: dict[str, Norms]) -> list[Claim]:
    guide = "3Blue1Brown, Transformers, the tech behind LLMs"
    size = norms["norm"].shape[-1]
    apart, past = ~np.eye(size, dtype=bool), np.tri(size, k=-1, dtype=bool)
    largest = "largest norm of a Jacobian's block"
    exact = "the Jacobian of a function of each token alone"

    def most(name: str, where: np.ndarray) -> float:
        return float(norms[name][:, where].max())

    return [
        Claim(
            "6.mlp_cross_token",
            "in an MLP block the vectors do not talk to each other",
            most("mlp", apart),
            (0, 0),
            (0, 0),
            f"{guide}; {exact}",
            unit=f"{largest} off the diagonal",
        ),
        Claim(
            "6.norm_cross_token",
            "nor do they in a norm",
            most("norm", apart),
            (0, 0),
            (0, 0),
            exact,
            unit=f"{largest} off the diagonal",
        ),
        Claim(
            "6.attention_cross_token",
            "in an attention block they do: every token hears all those before it",
            float((norms["attention"][:, past] > 0).mean()),
            (1, 1),
            (1, 1),
            f"{guide}; a softmax gives nothing a weight of 0",
            unit="of the blocks below the diagonal are not 0",
        ),
        Claim(
            "6.attention_future",
            "and none of those after it",
            most("attention", past.T),
            (0, 0),
            (0, 0),
            "3Blue1Brown, Attention in transformers (masking)",
            unit=f"{largest} above the diagonal",
        ),
        Claim(
            "6.transformer_future",
            "so the whole transformer predicts from what came before alone",
            most("transformer", past.T),
            (0, 0),
            (0, 0),
            "3Blue1Brown, Attention in transformers (masking)",
            unit=f"{largest} above the diagonal",
        ),
    ]
