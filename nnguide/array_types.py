"""The key to every shape annotation, and the names of the array trees.

Letters: `B` batch, `T` tokens (queries), `S` tokens attended to (keys), `D` embedding
width, `H` heads, `K` head width, `F` neurons of an MLP block, `V` vocabulary, `L`
layers. Images are written in words: `B height width channels`.
"""

from typing import Any

import jax
from jaxtyping import Key as _Key

Array = jax.Array
Key = _Key[Array, ""]  # one typed random key, from `jax.random.key`
Params = Any  # a tree of parameters, as Linen makes it
Batch = dict[str, Array]  # every leaf leads with the batch axis, `B ...`
Metrics = dict[str, tuple[Array, Array]]  # name -> (total, weight); sums, not means
