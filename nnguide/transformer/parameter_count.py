"""How many parameters a transformer has, matrix by matrix: the guide's GPT-3 table.

`guide_table(GPT3)` has the video's eight rows, which add up to 175,181,291,520. It
counts weight matrices alone, and the unembedding as a matrix of its own.
`every_parameter` lists what the module really holds, 174,604,259,328 numbers: also
positions, biases and norms, and one table for embedding and unembedding where they are
tied. The paths are those of the module's tree, so that the two cannot drift apart.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs", "Attention in transformers,
step-by-step" and "How might LLMs store facts"; Brown et al., arXiv 2005.14165, table
D.1 (174,600 million).
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from nnguide.config import InputError
from nnguide.transformer.config import TransformerConfig

Part = Literal[
    "embedding", "attention", "mlp", "unembedding", "positions", "biases", "norms"
]
GUIDE_PARTS: tuple[Part, ...] = ("embedding", "attention", "mlp", "unembedding")


class Row(NamedTuple):
    """One line of the table: a matrix (or vector) and how often there is one.

    Attributes:
      path: of the array in the module's tree, for instance
        "blocks/attention/key/kernel".
      name: in the guide's words.
      part: of the model that it belongs to.
      shape: of one head's in one layer, rows first, as the guide draws it: it stands
        left of the vector it multiplies.
      heads: how many a layer has; 1 where heads do not matter.
      layers: how many layers have it; 1 outside the blocks.
      stored: shape of the array that holds them all.
    """

    path: str
    name: str
    part: Part
    shape: tuple[int, ...]
    heads: int
    layers: int
    stored: tuple[int, ...]

    @property
    def copies(self) -> int:
        """How many of these the model has."""
        return self.heads * self.layers

    @property
    def total(self) -> int:
        """Numbers in all of them together."""
        return math.prod(self.stored)


def every_parameter(config: TransformerConfig) -> tuple[Row, ...]:
    """Every array of the module: what `initial_params(config, key)` makes.

    Args:
      config: of any kind; its vocabulary must be known.

    Raises:
      InputError: the vocabulary is left to the tokenizer.
    """
    if not config.vocabulary:
        raise InputError(
            "model.vocabulary=0: the number of parameters depends on it; give the "
            "tokenizer's number of tokens."
        )
    rows = [_table(config, "tokens", "Embedding", "embedding", config.vocabulary)]
    if config.positions == "learned":
        rows.append(
            _table(config, "positions", "Positions", "positions", config.context)
        )
    if config.blocks != "mlp":
        rows.extend(_attention(config))
    if config.blocks != "attention":
        rows.extend(_mlp(config))
    rows.extend(_norm(config, "final_norm", "Last norm", 1))
    if not config.tied:
        rows.append(
            _table(
                config, "unembedding", "Unembedding", "unembedding", config.vocabulary
            )
        )
    return tuple(rows)


def guide_table(config: TransformerConfig) -> tuple[Row, ...]:
    """The guide's table: weight matrices alone, the unembedding always its own.

    For GPT-3: Embedding, Key, Query, Value down, Value up, Up projection, Down
    projection, Unembedding. Other configs may have a Gate projection, or lack rows.
    """
    untied = every_parameter(dataclasses.replace(config, tied=False))
    return tuple(row for row in untied if row.part in GUIDE_PARTS)


def left_out(config: TransformerConfig) -> dict[str, int]:
    """What the guide's table leaves out; negative for what it counts though shared.

    The table's total plus these is `parameter_count(config)`.
    """
    sums = totals(every_parameter(config))
    missing: dict[str, int] = {
        part: number for part, number in sums.items() if part not in GUIDE_PARTS
    }
    if config.tied:
        missing["unembedding"] = -sums["embedding"]
    return missing


def total(rows: Iterable[Row]) -> int:
    """Numbers in all rows together."""
    return sum(row.total for row in rows)


def totals(rows: Iterable[Row]) -> dict[str, int]:
    """Numbers in each part that has any, in the order of the rows."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.part] = sums.get(row.part, 0) + row.total
    return sums


def parameter_count(config: TransformerConfig) -> int:
    """All parameters of the module."""
    return total(every_parameter(config))


def per_block(config: TransformerConfig, part: Part) -> int:
    """Numbers of this part in one block; GPT-3's norms have 49,152."""
    inside = (r for r in every_parameter(config) if r.path.startswith("blocks/"))
    return sum(row.total // row.layers for row in inside if row.part == part)


def number_of_matrices(
    config: TransformerConfig, one_output_matrix: bool = True
) -> int:
    """How many matrices the guide's table counts; GPT-3 has 27,938.

    Args:
      config: of the transformer.
      one_output_matrix: takes the value-up matrices of a layer's heads as the one
        output matrix that they are stored as; each for itself, GPT-3 has 37,058.
    """
    return sum(
        row.layers if one_output_matrix and row.name == "Value up" else row.copies
        for row in guide_table(config)
    )


def _table(
    config: TransformerConfig, module: str, name: str, part: Part, entries: int
) -> Row:
    """A vector for each of many entries; the guide draws them as columns."""
    width = config.embedding
    drawn = (entries, width) if part == "unembedding" else (width, entries)
    return Row(f"embedding/{module}", name, part, drawn, 1, 1, (entries, width))


def _attention(config: TransformerConfig) -> Iterator[Row]:
    width, inside = config.embedding, config.head_width
    yield from _norm(config, "blocks/attention_norm", "Norm", config.layers)
    for module, name, heads in (
        ("key", "Key", config.groups),
        ("query", "Query", config.heads),
        ("value_down", "Value down", config.groups),
    ):
        path = f"attention/{module}"
        yield from _product(config, path, name, (inside, width), heads_out=heads)
    yield from _product(
        config, "attention/value_up", "Value up", (width, inside), config.heads
    )


def _mlp(config: TransformerConfig) -> Iterator[Row]:
    width, neurons = config.embedding, config.hidden
    yield from _norm(config, "blocks/mlp_norm", "Norm", config.layers)
    if config.activation == "swiglu":
        yield from _product(
            config, "mlp/gate_projection", "Gate projection", (neurons, width)
        )
    yield from _product(config, "mlp/up_projection", "Up projection", (neurons, width))
    yield from _product(
        config, "mlp/down_projection", "Down projection", (width, neurons)
    )


def _product(
    config: TransformerConfig, path: str, name: str, shape: tuple[int, int],
    heads_in: int = 1, heads_out: int = 1,
) -> Iterator[Row]:  # fmt: skip
    """A matrix of every block, and its bias.

    The module stores the transpose of what the guide draws, heads side by side.
    """
    part: Part = "attention" if path.startswith("attention") else "mlp"
    outputs, inputs = shape
    layers, path = config.layers, f"blocks/{path}"
    stored = (layers, inputs * heads_in, outputs * heads_out)
    yield Row(f"{path}/kernel", name, part, shape, heads_in * heads_out, layers, stored)
    if config.biases:
        stored = (layers, outputs * heads_out)
        bias = f"{name} bias"
        yield Row(f"{path}/bias", bias, "biases", (outputs,), heads_out, layers, stored)


def _norm(
    config: TransformerConfig, path: str, name: str, layers: int
) -> Iterator[Row]:
    shape = (config.embedding,)
    stored = (layers, *shape) if path.startswith("blocks/") else shape
    yield Row(f"{path}/scale", f"{name} scale", "norms", shape, 1, layers, stored)
    if config.norm == "layer_norm" and config.biases:
        yield Row(f"{path}/bias", f"{name} bias", "norms", shape, 1, layers, stored)
