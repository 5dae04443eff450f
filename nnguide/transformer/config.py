"""What a transformer is (`TransformerConfig`) and how it is computed (`Execution`).

The defaults are GPT-2's smallest size, 124,439,808 parameters (Radford et al. 2019,
"Language models are unsupervised multitask learners").
"""

import dataclasses
from typing import Literal

from nnguide.config import InputError, run_only
from nnguide.transformer.attention_kernels.table import AttentionName

KernelName = Literal["auto", "fused", "xla"]
Activation = Literal["gelu_tanh", "gelu_exact", "relu", "relu_squared", "swiglu"]
Blocks = Literal["attention_and_mlp", "attention", "mlp"]
Layers = Literal["auto", "scan", "unroll", "loop"]
Norm = Literal["layer_norm", "rms_norm"]
Positions = Literal["learned", "rotary", "none"]
Remat = Literal["none", "products", "everything"]
Dtype = Literal["auto", "float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """A decoder: embedding, blocks on the residual stream, unembedding.

    Attributes:
      vocabulary: token ids it knows, V; 0 takes the tokenizer's number.
      context: tokens it can see at once, the longest T.
      layers: blocks, L.
      embedding: width of the residual stream, D.
      heads: attention heads in a block, H; each is embedding / heads wide.
      key_value_heads: heads that share keys and values in groups; 0 is one each.
      neurons: of an MLP block, F; 0 is four times the embedding.
      blocks: what a block is made of; the guide's has attention and an MLP.
      positions: how a token knows its place: a learned vector added to the embedding,
        rotated queries and keys, or not at all.
      norm: what comes before each part of a block and before the unembedding.
      activation: of the MLP's neurons; swiglu has a gate beside each neuron.
      biases: whether products and layer norms have them.
      tied: the unembedding is the embedding's table, transposed.
      causal: the mask; False lets every token see the later ones too.
      qk_norm: gives queries and keys length sqrt(K) before their product.
      attention_softcap: c > 0 bounds scores as c tanh(score / c).
      logit_softcap: the same for the logits.
      dropout: share of activations set to 0 in training.
      z_loss: weight of log(sum of exp logits)^2 in the loss, which keeps it near 0.
      initial_std: of the random parameters; the two products that write to the
        residual stream have it divided by sqrt(2 L).
    """

    vocabulary: int = 50_257
    context: int = 1024
    layers: int = 12
    embedding: int = 768
    heads: int = 12
    key_value_heads: int = 0
    neurons: int = 0
    blocks: Blocks = "attention_and_mlp"
    positions: Positions = "learned"
    norm: Norm = "layer_norm"
    activation: Activation = "gelu_tanh"
    biases: bool = True
    tied: bool = True
    causal: bool = True
    qk_norm: bool = False
    attention_softcap: float = 0.0
    logit_softcap: float = 0.0
    dropout: float = 0.1
    z_loss: float = 0.0
    initial_std: float = 0.02

    def __post_init__(self) -> None:
        for name in ("context", "layers", "embedding", "heads"):
            self._check(name, getattr(self, name) >= 1, "give 1 or more")
        for name in ("vocabulary", "key_value_heads", "neurons"):
            self._check(name, getattr(self, name) >= 0, "give 0 (automatic) or more")
        for name in ("attention_softcap", "logit_softcap", "z_loss"):
            self._check(name, getattr(self, name) >= 0, "give 0 (off) or more")
        self._check("dropout", 0 <= self.dropout < 1, "give a share from 0 to below 1")
        self._check("initial_std", self.initial_std > 0, "give more than 0")
        self._check(
            "heads",
            self.embedding % self.heads == 0,
            f"does not divide model.embedding={self.embedding}; choose a divisor",
        )
        self._check(
            "key_value_heads",
            self.heads % self.groups == 0,
            f"does not divide model.heads={self.heads}; choose a divisor",
        )
        self._check(
            "positions",
            self.positions != "rotary" or self.head_width % 2 == 0,
            f"rotates pairs, but a head is {self.head_width} wide; choose a number of "
            "heads that leaves an even width",
        )

    def _check(self, name: str, fits: bool, remedy: str) -> None:
        if not fits:
            raise InputError(f"model.{name}={getattr(self, name)}: {remedy}.")

    @property
    def head_width(self) -> int:
        """Width of a query, key or value, K."""
        return self.embedding // self.heads

    @property
    def groups(self) -> int:
        """Number of different keys and values a token has, G <= H."""
        return self.key_value_heads or self.heads

    @property
    def hidden(self) -> int:
        """Neurons of an MLP block, F."""
        return self.neurons or 4 * self.embedding


GPT2 = TransformerConfig()
GPT2_MEDIUM = TransformerConfig(layers=24, embedding=1024, heads=16)
GPT2_LARGE = TransformerConfig(layers=36, embedding=1280, heads=20)
GPT2_XL = TransformerConfig(layers=48, embedding=1600, heads=25)
GPT3 = TransformerConfig(context=2048, layers=96, embedding=12_288, heads=96)


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a transformer is computed; the numbers agree to rounding.

    Attributes:
      attention: the kernel; auto takes the fastest that can do what is asked.
      layers: scan compiles one block and repeats it, unroll compiles each block, loop
        runs block after block where each can be watched; all from the same stacked
        parameters. auto unrolls on CPU and scans elsewhere.
      remat: what the backward pass computes anew instead of keeping: nothing,
        everything but the products, or everything inside a block.
      compute_dtype: of the inputs of matrix products; auto is float32 on CPU and
        bfloat16 elsewhere. Parameters, softmax, norms and loss stay float32.
      decoding: who takes new tokens through the blocks where earlier ones are cached:
        XLA, or on CPUs a kernel of ours that takes a row through all of them at once.
      blocks: who takes whole texts through a block: XLA, step by step, or on CPUs a
        kernel of ours that does all of it at once, in float32. Its parts are no modules
        that run: who intercepts them, or needs a forward-mode derivative, asks for xla.
    """

    attention: AttentionName = run_only("auto")
    layers: Layers = run_only("auto")
    remat: Remat = run_only("none")
    compute_dtype: Dtype = "auto"
    decoding: KernelName = run_only("auto")
    blocks: KernelName = run_only("auto")
