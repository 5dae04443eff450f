"""The value map in two factors: value down, then value up, of rank K at most.

A whole D x D map for each head would cost D / (2 K) times the parameters, 48 times in
GPT-3. Two small readers of text, alike but for that map, are trained side by side.

Source: 3Blue1Brown, "Attention in transformers, step-by-step" ("value down", "value
up", a low-rank transformation).
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float, Int

from experiments import study as shared
from experiments.part7.setting import Setting
from nnguide import flops, training
from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.data.text import text_batches, text_evaluation
from nnguide.language.next_token import surprise
from nnguide.plots import style
from nnguide.plots import value_rank as pictures
from nnguide.results import Claim
from nnguide.training import OptimizerConfig, Task
from nnguide.transformer import attention_kernels
from nnguide.transformer.attention import Attention
from nnguide.transformer.config import GPT3, Execution, TransformerConfig
from nnguide.transformer.dense import Dense
from nnguide.transformer.embedding import Embedding
from nnguide.transformer.mlp_block import MlpBlock
from nnguide.transformer.norm import Normalize

WIDTH, HEADS, CONTEXT, BATCH = 64, 4, 64, 16
ADAM = OptimizerConfig(name="adamw", rate=3e-3, schedule="cosine")
EVALUATED = 8192  # tokens of the validation text


@dataclasses.dataclass(frozen=True)
class Config:
    """How the two value maps are compared.

    Attributes:
      steps: of training, on 16 windows of 64 tokens each.
      networks: of each kind, from different random starts.
    """

    steps: int = 300
    networks: int = 2

    def __post_init__(self) -> None:
        shared.check("value_rank", self, networks=1)
        shared.check_steps("value_rank", self.steps)


def model(vocabulary: int) -> TransformerConfig:
    """A reader of one block."""
    return TransformerConfig(
        vocabulary=vocabulary, context=CONTEXT, layers=1, embedding=WIDTH, heads=HEADS,
        biases=False, dropout=0.0,
    )  # fmt: skip


class WholeValueAttention(nn.Module):
    """Attention whose heads have a D x D value map each, of any rank."""

    config: TransformerConfig

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        """What the block adds to the residual stream."""
        config, (batch, tokens, width) = self.config, x.shape
        std = config.initial_std

        def heads_of(name: str, features: int, std: float) -> Array:
            dense = Dense(features, ("embedding", "heads"), False, std, name=name)
            return dense(x).reshape(batch, tokens, config.heads, -1)

        query = heads_of("query", width, std)
        key = heads_of("key", width, std)
        value = heads_of(
            "value", config.heads * width, std / (2 * config.layers) ** 0.5
        )
        pattern = attention_kernels.pattern(query, key, causal=True)
        return jnp.einsum("BHTS,BSHD->BTD", pattern, value)


class Reader(nn.Module):
    """One block between embedding and unembedding, with either kind of value map."""

    config: TransformerConfig
    whole: bool

    @nn.compact
    def __call__(self, tokens: Int[Array, "B T"]) -> Float[Array, "B T V"]:
        """The logits of each next token."""
        config = self.config
        embedding = Embedding(config, name="embedding")

        def normed(x: Array, name: str) -> Array:
            return Normalize(config.norm, config.biases, name=name)(x)

        x = embedding(tokens)
        read = normed(x, "attention_norm")
        if self.whole:
            x = x + WholeValueAttention(config, name="attention")(read)
        else:
            x = x + Attention(config, Execution(), name="attention")(read)[0]
        x = x + MlpBlock(config, jnp.float32, name="mlp")(normed(x, "mlp_norm"))
        return embedding.unembed(normed(x, "final_norm"))


def task(config: TransformerConfig, whole: bool) -> Task:
    """Next-token prediction with a reader."""
    reader = Reader(config, whole)

    def init(key: Key) -> Params:
        return reader.init(key, jnp.zeros((1, 1), jnp.int32))["params"]

    def losses(params: Params, batch: Batch) -> tuple[Array, Array]:
        tokens = batch["tokens"]
        logits = jnp.asarray(reader.apply({"params": params}, tokens[:, :-1]))
        each, _ = surprise(logits, tokens[:, 1:])
        return (batch["weight"] * each.mean(axis=1)).sum(), batch["weight"].sum()

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        del key  # nothing is random
        return losses(params, batch), {}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key
        return {"loss": losses(params, batch)}

    return Task(init, loss, evaluate)


class Compared(NamedTuple):
    """What training left of one kind.

    Attributes:
      steps: at which the validation loss was taken.
      losses: in nats, (steps, networks).
      singular_values: of each head's value map of the first network, over the largest.
      parameters: of the value maps of a block.
      flops: of one training step.
    """

    steps: Int[np.ndarray, "steps"]
    losses: Float[np.ndarray, "steps networks"]
    singular_values: Float[np.ndarray, "H D"]
    parameters: int
    flops: int


def value_maps(params: Params, whole: bool) -> Float[np.ndarray, "H D D"]:
    """Each head's map from a token's vector to what it adds to another's."""
    attention = params["attention"]
    if whole:
        kernel = np.asarray(attention["value"]["kernel"])
        return kernel.reshape(WIDTH, HEADS, WIDTH).swapaxes(0, 1)
    down = np.asarray(attention["value_down"]["kernel"]).reshape(WIDTH, HEADS, -1)
    up = np.asarray(attention["value_up"]["kernel"]).reshape(HEADS, -1, WIDTH)
    return np.einsum("DHK,HKE->HDE", down, up)


def compare(config: Config, setting: Setting, whole: bool) -> Compared:
    """Trains readers of one kind on the setting's text."""
    text = setting.text
    if len(text.validation) <= EVALUATED:
        raise InputError(
            f"--dataset: {len(text.validation):,} tokens of validation; part 7 reads "
            f"{EVALUATED:,}, give a longer text."
        )
    one = task(model(text.vocabulary_size), whole)
    # Adam works entry by entry: stacked networks need no optimizer each.
    adam = training.make_optimizer(ADAM, config.steps)
    many, _ = training.over_seeds(one, adam, config.networks)
    fit = shared.train(
        setting, "value_whole" if whole else "value_in_two_factors", many, ADAM,
        text_batches(text.train, BATCH, CONTEXT, setting.seed), config.steps,
        {"validation": text_evaluation(
            text.validation[: EVALUATED + 1], 64, CONTEXT)},
    )  # fmt: skip
    steps, losses = shared.curve(fit, "validation/loss")
    first = jax.tree.map(lambda leaf: leaf[0], fit.state.params)
    maps = value_maps(first, whole)
    values = np.linalg.svd(maps, compute_uv=False)
    batch = {
        "tokens": jnp.zeros((BATCH, CONTEXT + 1), jnp.int32),
        "weight": jnp.ones(BATCH, jnp.float32),
    }
    work = flops.count(
        jax.value_and_grad(lambda p: one.loss(p, batch, jax.random.key(0))[0][0]), first
    )
    parameters = HEADS * WIDTH * (WIDTH if whole else 2 * (WIDTH // HEADS))
    return Compared(
        steps, losses.reshape(len(steps), -1), values / values[:, :1], parameters, work
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains both kinds, takes their maps' singular values, draws."""
    factored, whole = (compare(config, setting, kind) for kind in (False, True))
    width, head = GPT3.embedding, GPT3.head_width
    figure = pictures.value_rank(
        setting.theme,
        {"two factors": factored.singular_values, "whole map": whole.singular_values},
        {"two factors": factored.losses, "whole map": whole.losses},
        factored.steps, WIDTH // HEADS, (2 * width * head, width**2),
        whole.flops / factored.flops,
    )  # fmt: skip
    arrays = {
        f"{kind}_{name}": value
        for kind, each in (("factored", factored), ("whole", whole))
        for name, value in each._asdict().items()
    }
    picture = style.save(figure, setting.workdir, "value_rank", **arrays)
    return _claims(config, setting, factored, whole), [picture]


def _claims(
    config: Config, setting: Setting, factored: Compared, whole: Compared
) -> list[Claim]:
    video = "3Blue1Brown, Attention in transformers, step-by-step"
    width, head = GPT3.embedding, GPT3.head_width
    rank = int((factored.singular_values > 1e-5).sum(axis=1).max())
    gap = float((factored.losses[-1] - whole.losses[-1]).mean())
    scored = config == Config() and setting.text.origin.startswith("pydocs")
    bounded: tuple[Any, Any] = (1, WIDTH // HEADS)
    return [
        Claim(
            "7.value_rank", f"a value map by way of {WIDTH // HEADS} numbers has that "
            "rank at most", rank, bounded, (WIDTH // HEADS, WIDTH // HEADS),
            f"{video}; of {WIDTH}", unit="singular values above rounding",
        ),
        Claim(
            "7.value_parameters", "GPT-3's value down and value up of a head",
            2 * width * head, (3_145_728, 3_145_728), (3_145_728, 3_145_728), video,
            unit="parameters",
        ),
        Claim(
            "7.value_saving", "a whole map would be far larger: 150,994,944 parameters",
            width**2 / (2 * width * head), (40, None), (48, 48), video, unit="times",
        ),
        Claim(
            "7.value_whole_flops", "a whole map costs more at every step",
            whole.flops / factored.flops, (1, None), (1.05, 3), f"{video}; counted",
            unit="times the FLOPs of a step, a small model",
        ),
        Claim(
            "7.value_gap", "and gains little", gap, (None, 0.05), (-0.25, 0.05),
            f"{video}; no reference: -.12 here, -.16 from smaller whole maps",
            unit=f"nats a token, mean of {config.networks}",
            needs="pydocs and the default steps and networks", scored=scored,
        ),
    ]  # fmt: skip
