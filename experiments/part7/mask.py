"""The mask: later tokens may not speak to earlier ones, or the answer is given away.

The same small GPT is trained twice on the same windows of a text. Without the mask it
sees the token it shall predict, copies it, and has next to no loss. Asked to write, it
has nothing to copy from. Its samples and a bigram's are judged by a trigram model of
the training text, which knows nothing of either.

Source: 3Blue1Brown, "Attention in transformers, step-by-step" (masking).
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Integer

from experiments.part7.setting import Setting
from experiments.part7.writing import on_one_line, surprise_of, write, write_bigram
from experiments.plan import Plan
from experiments.study import check, check_steps
from experiments.study import plan as study_plan
from nnguide.array_types import Array, Key, Params
from nnguide.config import InputError
from nnguide.data.batches import random_windows
from nnguide.data.text import TextSource, text_batches, text_evaluation
from nnguide.language import next_token, ngrams
from nnguide.plots import mask as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.training import OptimizerConfig, Task
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer

MODEL = TransformerConfig(
    vocabulary=0, context=64, layers=2, embedding=64, heads=4, dropout=0.0,
    initial_std=0.05,  # from GPT-2's 0.02 it may take 500 steps to find the answers
)  # fmt: skip
OPTIMIZER = OptimizerConfig("adamw", rate=5e-3, schedule="cosine", warmup_steps=50)
BATCH = 16
PROMPT = 32  # tokens
WRITING = "without it, writing"


@dataclasses.dataclass(frozen=True)
class Config:
    """How long the two models are trained, and how much they write.

    Attributes:
      steps: of each model.
      windows: of the validation text that judge them, a multiple of 16.
      rows: texts that each model writes.
      new_tokens: of each.
    """

    steps: int = 500
    windows: int = 256
    rows: int = 64
    new_tokens: int = 96

    def __post_init__(self) -> None:
        check_steps("mask", self.steps)
        check("mask", self, windows=BATCH, rows=2, new_tokens=3)
        if self.windows % BATCH:
            raise InputError(
                f"--mask.windows={self.windows}: give a multiple of {BATCH}."
            )


def model(setting: Setting, causal: bool = True) -> TransformerConfig:
    """The small GPT for the text, with or without the mask."""
    return dataclasses.replace(
        MODEL, vocabulary=setting.text.vocabulary_size, causal=causal
    )


def check_text(config: Config, text: TextSource) -> None:
    """Checks that the text is long enough to train on and to be judged by.

    Raises:
      InputError: it is not.
    """
    tokens = heldout(config, text)
    if PROMPT + config.new_tokens > len(tokens):
        raise InputError(
            f"--mask.new_tokens={config.new_tokens}: the judged text has "
            f"{len(tokens):,} tokens; give {len(tokens) - PROMPT} at most."
        )
    random_windows(len(text.train), BATCH, MODEL.context, seed=0)


def heldout(config: Config, text: TextSource) -> Integer[np.ndarray, "_"]:
    """The beginning of the validation text, as many whole windows as are asked for.

    Raises:
      InputError: the text is shorter.
    """
    count = config.windows * MODEL.context + 1
    tokens = text.validation
    if len(tokens) < count:
        fit = max(len(tokens) - 1, 0) // MODEL.context // BATCH * BATCH
        remedy = f"give {fit} at most, or a longer text" if fit else "give a longer one"
        raise InputError(
            f"--mask.windows={config.windows}: the validation text has {len(tokens):,} "
            f"tokens; {remedy}."
        )
    return tokens[:count]


def windows_of(tokens: Integer[np.ndarray, "_"]) -> Int[np.ndarray, "N T"]:
    """Windows that follow one another, each with the token after it."""
    windows = np.lib.stride_tricks.sliding_window_view(tokens, MODEL.context + 1)
    return windows[:: MODEL.context].astype(np.int32)


def plan(config: Config, setting: Setting, causal: bool = True) -> Plan:
    """The training of the GPT, with or without the mask."""
    text = setting.text
    return study_plan(
        setting.seed,
        "gpt" if causal else "gpt_without_mask",
        Task(*next_token.functions(model(setting, causal))),
        OPTIMIZER,
        text_batches(text.train, BATCH, MODEL.context, setting.seed),
        config.steps,
        {"test": text_evaluation(heldout(config, text), BATCH, MODEL.context)},
    )


def plans(config: Config, setting: Setting) -> tuple[Plan, Plan]:
    """Both trainings."""
    return plan(config, setting), plan(config, setting, causal=False)


def train_gpt(config: Config, setting: Setting, causal: bool = True) -> Params:
    """Trains the GPT, or reads it back."""
    return plan(config, setting, causal).fit(setting.workdir).state.params


def losses_by_place(
    shape: TransformerConfig, params: Params, tokens: Integer[np.ndarray, "_"]
) -> Float[np.ndarray, "N T"]:
    """The surprise at every place of the text's windows, in nats."""
    module, windows = Transformer(shape), windows_of(tokens)

    @jax.jit
    def surprises(params: Params, windows: Array) -> Array:
        logits = module.apply({"params": params}, windows[:, :-1])
        return next_token.surprise(jnp.asarray(logits), windows[:, 1:])[0]

    parts = np.split(windows, range(BATCH, len(windows), BATCH))
    return np.concatenate([surprises(params, part) for part in parts])


def losses_when_writing(
    shape: TransformerConfig, params: Params, windows: Int[np.ndarray, "N T"]
) -> Float[np.ndarray, "N T"]:
    """The surprise at every place where the model sees no more than has been written.

    Args:
      shape: of the model; with the mask it is what `losses_by_place` gives.
      params: its parameters.
      windows: of text, each with the token after it.
    """
    module, places = Transformer(shape), np.arange(shape.context)
    # row t holds the first t + 1 tokens; what follows them is another document
    segments = jnp.asarray(places[None] <= places[:, None], jnp.int32)

    @jax.jit
    def surprises(params: Params, window: Array) -> Array:
        rows = jnp.tile(window[None, :-1], (shape.context, 1))
        x = module.apply({"params": params}, rows, segments=segments)
        last = jnp.asarray(x)[places, places]
        return next_token.surprise(last, window[1:])[0]

    return np.stack([surprises(params, window) for window in windows])


def heard_early(
    shape: TransformerConfig, params: Params, row: Integer[np.ndarray, "T"], key: Key
) -> Float[np.ndarray, ""]:
    """The share of places before a changed token where any logit changes.

    Args:
      shape: of the model.
      params: its parameters.
      row: a text as long as the context; each of its tokens but the first is changed.
      key: draws what to.
    """
    count = len(row)
    places = jnp.arange(1, count)
    other = jax.random.randint(key, (count - 1,), 1, shape.vocabulary, jnp.int32)
    same = jnp.tile(jnp.asarray(row, jnp.int32)[None], (count - 1, 1))
    rows = jnp.arange(count - 1)
    changed = same.at[rows, places].add(other) % shape.vocabulary

    @jax.jit  # one program for both, so that equal means equal bits
    def logits(params: Params, tokens: Array) -> Array:
        return jnp.asarray(Transformer(shape).apply({"params": params}, tokens))

    moved = np.any(np.asarray(logits(params, same) != logits(params, changed)), -1)
    before = np.arange(count)[None] < np.asarray(places)[:, None]
    return np.asarray(moved[before].mean())


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains with the mask and without, reads what both write, and draws it."""
    tokens = heldout(config, setting.text)
    prompts = _prompts(config, tokens)
    draw_key, change_key = jax.random.split(jax.random.key(setting.seed))
    count, train_tokens = config.new_tokens, setting.text.train
    losses, heard = {}, {}
    written = {
        "the text itself": _prompts(config, tokens, count)[:, PROMPT:],
        "a bigram model": write_bigram(train_tokens, prompts, count, setting.seed),
    }
    for name, causal in (("with the mask", True), ("without the mask", False)):
        shape, params = model(setting, causal), train_gpt(config, setting, causal)
        losses[name] = losses_by_place(shape, params, tokens).mean(0)
        heard[name] = heard_early(shape, params, tokens[: shape.context], change_key)
        written[name] = write(shape, params, prompts, count, draw_key)
        if not causal:
            some = windows_of(tokens)[:: max(1, config.windows // 64)]
            losses[WRITING] = losses_when_writing(shape, params, some).mean(0)
    counted = ngrams.probabilities(
        train_tokens, tokens, 2, setting.text.vocabulary_size
    )
    bigram_loss = float(-np.log(counted[2]).mean())
    order = ("the text itself", "with the mask", "a bigram model", "without the mask")
    surprises = {
        name: surprise_of(setting.text, prompts, written[name]) for name in order
    }
    excerpts = {
        name: on_one_line(setting.text.tokenizer, written[name][0]) for name in order
    }
    picture = style.save(
        pictures.with_and_without(
            setting.theme,
            losses,
            bigram_loss,
            surprises,
            excerpts,
        ),
        setting.workdir,
        "mask",
        bigram_loss=bigram_loss,
        names=list(order),
        excerpts=list(excerpts.values()),
        surprises=np.stack(list(surprises.values())),
        losses_by_place=np.stack(list(losses.values())),
    )
    means = {name: float(each.mean()) for name, each in losses.items()}
    return _claims(config, setting, heard, means, bigram_loss, surprises), [picture]


def _prompts(
    config: Config, tokens: np.ndarray, more: int = 0
) -> Int[np.ndarray, "B P"]:
    """Beginnings spread over a text, each with so many tokens more."""
    last = len(tokens) - PROMPT - config.new_tokens
    starts = np.linspace(0, last, config.rows).astype(int)
    span = np.arange(PROMPT + more)
    return tokens[starts[:, None] + span[None]].astype(np.int32)


def _claims(
    config: Config,
    setting: Setting,
    heard: dict[str, Any],
    losses: dict[str, float],
    bigram_loss: float,
    surprises: dict[str, np.ndarray],
) -> list[Claim]:
    masked, unmasked = "with the mask", "without the mask"
    guide = "3Blue1Brown, Attention in transformers; "
    # not the mean: a text that ends in one long run of spaces hardly surprises
    against = {
        name: float(np.median(surprises[name]) - np.median(surprises["a bigram model"]))
        for name in (masked, unmasked)
    }
    judged = (
        "nats a token above a bigram's, surprise of a trigram model at the median of "
        f"{config.rows} texts"
    )
    always = [
        ("mask_exact", "with the mask no token changes what comes before it",
         heard[masked], (0, 0), (0, 0), guide + "exact: masked scores weigh 0",
         "of places before a changed token"),
        ("without_mask_heard", "without the mask every token changes what comes before",
         heard[unmasked], (0.9, 1), (0.9, 1), guide + "all places see all others",
         "of places before a changed token"),
    ]  # fmt: skip
    trained = [
        ("without_mask_loss", "without the mask the answers are given away",
         losses[unmasked], (0, 0.2), (0, 0.2),
         guide + "only the last place of a window has nothing to copy",
         "nats a character, validation text"),
        ("with_mask_loss", "with the mask a GPT learns more than pairs of characters",
         losses[masked], (0, bigram_loss), (1.7, 2.15),
         f"a bigram model's loss on the same text, {bigram_loss:.2f}",
         "nats a character, validation text"),
        ("without_mask_writing", "without the mask a GPT is lost where it has to write",
         losses[WRITING], (bigram_loss, None), (4, 8),
         f"above a bigram model's loss on the same text, {bigram_loss:.2f}",
         "nats a character of which it sees only what came before"),
        ("with_mask_samples", "with the mask a GPT writes better than a bigram",
         against[masked], (None, 0), (None, 0), guide + "a bigram as the yardstick",
         judged),
        ("without_mask_samples", "without the mask a GPT writes worse than a bigram",
         against[unmasked], (0, None), (0, None), guide + "a bigram as the yardstick",
         judged),
    ]  # fmt: skip
    full = config == Config() and setting.text.origin == "pydocs"
    return [
        Claim(
            f"7.{name}", statement, float(measured), stated, expected, source,
            unit=unit, needs=needs, scored=full or not needs,
        )
        for rows, needs in ((always, ""), (trained, "pydocs and the default steps"))
        for name, statement, measured, stated, expected, source, unit in rows
    ]  # fmt: skip
