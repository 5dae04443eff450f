"""Text, one predicted token after the other, in one compiled loop on the device.

The prompt is read in one pass, which leaves every layer's keys and values in a cache of
fixed size. From then on each token is drawn and read alone. A row that has filled the
context keeps the last half of it and reads that half again, for its tokens are now at
other places.

`cached=False` reads the whole window anew for each token: slow, and the reference of
the loop with a cache, which gives the same tokens.

Source: 3Blue1Brown, "Transformers, the tech behind LLMs".
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.config import InputError
from nnguide.language.next_token import surprise
from nnguide.language.sampling import SamplingConfig, draw_at, keep_likely
from nnguide.language.window import Memory, Window, cached_window
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer


class Generated(NamedTuple):
    """What was drawn.

    Attributes:
      tokens: the new ones of each row, 0 after a stop token.
      lengths: how many each row has, its stop token included.
      log_probabilities: of each of them under the model itself: at temperature 1, all
        tokens allowed; 0 behind the last.
      logits: what each was drawn from, before temperature; None unless asked for.
    """

    tokens: Int[Array, "B N"]
    lengths: Int[Array, "B"]
    log_probabilities: Float[Array, "B N"]
    logits: Float[Array, "B N V"] | None


Generator = Callable[[Params, Any, Any, Key], Generated]


class _Progress(NamedTuple):
    """The loop's state.

    Attributes:
      step: how many tokens the longest row has.
      memory: what was read; the latest token is not yet among it.
      latest: the token each row drew last.
      going: rows that have drawn no stop token.
      generated: what was drawn so far.
    """

    step: Int[Array, ""]
    memory: Memory
    latest: Int[Array, "B"]
    going: Bool[Array, "B"]
    generated: Generated


def make_generator(
    config: TransformerConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
    sampling: SamplingConfig = SamplingConfig(),  # noqa: B008, a constant
    new_tokens: int = 100,
    stop_tokens: tuple[int, ...] = (),
    cached: bool = True,
    keep_logits: bool = False,
    copies: int = 1,
) -> Generator:
    """Compiles a transformer into a writer of text.

    Args:
      config: of the transformer.
      execution: how it is computed.
      known_tokens: ids at or past it are padding and never drawn; 0: there is none.
      sampling: how tokens are drawn.
      new_tokens: how many each row gets at most, N.
      stop_tokens: ids that end a row.
      cached: False reads the whole window for each token.
      keep_logits: returns the logits too, B N V numbers.
      copies: rows that go on from each prompt, which is read once.

    Returns:
      A function of (params, prompts "C P", lengths "C", key), the prompts as
      `pad_prompts` gives them; B is C times `copies`, and the rows of a prompt follow
      one another. Row r's tokens depend on its own prompt, the key and r alone.

    Raises:
      InputError: new_tokens is less than 1, a stop token is not in the vocabulary, or
        a cache is asked of a model whose tokens see later ones.
    """
    _check(config, new_tokens, stop_tokens, cached)
    job = _Job(
        config,
        execution,
        known_tokens,
        sampling.top_k,
        sampling.top_p,
        new_tokens,
        stop_tokens,
        cached,
        keep_logits,
        copies,
    )

    def generator(params: Params, prompts: Any, lengths: Any, key: Key) -> Generated:
        return _generate(job, params, prompts, lengths, key, sampling.temperature)

    return generator


class _Job(NamedTuple):
    """What is compiled for; `make_generator` says what the fields mean.

    The temperature is none of them: all temperatures share one program.
    """

    config: TransformerConfig
    execution: Execution
    known_tokens: int
    top_k: int
    top_p: float
    new_tokens: int
    stop_tokens: tuple[int, ...]
    cached: bool
    keep_logits: bool
    copies: int


@partial(jax.jit, static_argnums=0)
def _generate(
    job: _Job,
    params: Params,
    prompts: Int[Array, "C P"],
    lengths: Int[Array, "C"],
    key: Key,
    temperature: Float[Array, ""],
) -> Generated:
    """Prefill, then the loop."""
    module = Transformer(job.config, job.execution, job.known_tokens)
    window = Window(module, job.new_tokens)
    if job.cached:
        (count, places), new = prompts.shape, job.new_tokens
        window = cached_window(module, new, places, count * job.copies)

    def drawn(progress: _Progress, memory: Memory, logits: Array) -> _Progress:
        step_key = jax.random.fold_in(key, progress.step)
        kept = keep_likely(logits, temperature, job.top_k, job.top_p)
        latest = draw_at(kept, step_key, temperature).astype(jnp.int32)
        return _recorded(progress, memory, logits, latest, job.stop_tokens)

    def unfinished(progress: _Progress) -> Array:
        return (progress.step < job.new_tokens) & progress.going.any()

    def goes_on(progress: _Progress) -> Array:
        full = window.full(progress.memory, progress.going)
        return unfinished(progress) & ~full.any()

    def one_token(progress: _Progress) -> _Progress:
        read = window.go_on(params, progress.memory, progress.latest, progress.going)
        return drawn(progress, *read)

    def until_full(progress: _Progress) -> _Progress:
        memory, full = progress.memory, window.full(progress.memory, progress.going)
        memory = jax.lax.cond(
            full.any(),
            lambda: window.make_room(params, memory, full),
            lambda: memory,
        )
        # A loop of its own: XLA copies the cache at a condition, in every turn.
        return jax.lax.while_loop(goes_on, one_token, progress._replace(memory=memory))

    memory, logits = window.begin(params, prompts, lengths, job.copies)
    start = _start(
        memory, len(logits), job.new_tokens, logits if job.keep_logits else None
    )
    first = drawn(start, memory, logits)
    return jax.lax.while_loop(unfinished, until_full, first).generated


def _start(
    memory: Memory, batch: int, new_tokens: int, logits: Array | None
) -> _Progress:
    """Nothing is drawn yet."""
    kept = None
    if logits is not None:
        kept = jnp.zeros((batch, new_tokens, logits.shape[-1]), logits.dtype)
    none = jnp.zeros(batch, jnp.int32)
    shape = (batch, new_tokens)
    tokens, likely = jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.float32)
    nothing = Generated(tokens, none, likely, kept)
    return _Progress(jnp.int32(0), memory, none, jnp.ones(batch, bool), nothing)


def _recorded(
    progress: _Progress,
    memory: Memory,
    logits: Array,
    latest: Array,
    stop_tokens: tuple[int, ...],
) -> _Progress:
    """The progress after a token of each row is drawn; ended rows get a 0."""
    (step, going), generated = (progress.step, progress.going), progress.generated
    latest = jnp.where(going, latest, 0)
    record = jax.lax.dynamic_update_index_in_dim
    kept = generated.logits
    if kept is not None:
        kept = record(kept, jnp.where(going[:, None], logits, 0), step, 1)
    tokens = record(generated.tokens, latest, step, 1)
    likely = jnp.where(going, -surprise(logits, latest)[0], 0)
    likely = record(generated.log_probabilities, likely, step, 1)
    generated = Generated(tokens, generated.lengths + going, likely, kept)
    ends = latest[:, None] == jnp.asarray(stop_tokens, jnp.int32)[None]
    return _Progress(step + 1, memory, latest, going & ~ends.any(-1), generated)


def pad_prompts(
    prompts: Sequence[Sequence[int]], context: int, vocabulary: int
) -> tuple[Int[np.ndarray, "B P"], Int[np.ndarray, "B"]]:
    """Prompts of different lengths as one array, and their lengths.

    P is the longest's length rounded up to a power of two, or the context, so that few
    different shapes are compiled.

    Args:
      prompts: token ids, 1 to `context` of them each.
      context: of the model.
      vocabulary: ids it knows, 0 ... vocabulary - 1.

    Raises:
      InputError: there is no prompt, or one is empty, longer than the context, or has
        an id outside the vocabulary.
    """
    if not len(prompts):
        raise InputError("--prompt: there is none. Give one or more.")
    rows = [np.asarray(prompt) for prompt in prompts]
    for row in rows:
        _check_prompt(row, context, vocabulary)
    lengths = np.array([len(row) for row in rows], np.int32)
    longest = int(lengths.max())
    padded = np.zeros((len(rows), min(context, 1 << (longest - 1).bit_length())), "i4")
    for row, places in zip(rows, padded, strict=True):
        places[: len(row)] = row
    return padded, lengths


def _check_prompt(row: np.ndarray, context: int, vocabulary: int) -> None:
    if not len(row):
        raise InputError("--prompt: it is empty. Give one token or more.")
    if len(row) > context:
        raise InputError(
            f"--prompt: its {len(row)} tokens are more than the model's context, "
            f"{context}. Shorten it."
        )
    wrong = row[(row < 0) | (row >= vocabulary)]
    if len(wrong):
        raise InputError(
            f"--prompt: token {wrong[0]} is not in the vocabulary, 0 to "
            f"{vocabulary - 1}. Use the tokenizer the model was trained with."
        )


def _check(
    config: TransformerConfig,
    new_tokens: int,
    stop_tokens: tuple[int, ...],
    cached: bool,
) -> None:
    if new_tokens < 1:
        raise InputError(f"--new_tokens={new_tokens}: give 1 or more.")
    for token in stop_tokens:
        if not 0 <= token < config.vocabulary:
            raise InputError(
                f"stop_tokens={token}: not in the vocabulary, 0 to "
                f"{config.vocabulary - 1}."
            )
    if cached and not config.causal:
        raise InputError(
            "model.causal=False: what a token says changes with each later one, so "
            "nothing can be kept. Generate with cached=False."
        )
