"""A mole in three contexts: one embedding, three meanings, and what attention adds.

A toy language: eight words that mean three things each ("mole": an animal, an amount,
a mark on the skin), and words that go with one of three subjects. A context of eleven
words holds six of those, 15% of which mislead, and the ambiguous word comes last. The
model shall name the word with its meaning.

Source: 3Blue1Brown, "Attention in transformers, step-by-step"; that contexts spread a
word's vectors: Ethayarajh, arXiv 1909.00512, who takes random pairs for the baseline.
"""

import dataclasses
import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from experiments import study as shared
from experiments.part7.setting import Setting
from experiments.plan import Plan
from nnguide.array_types import Array, Batch, Key, Params
from nnguide.language import next_token
from nnguide.plots import meanings as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.training import OptimizerConfig, Task
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.tracing import trace

WORDS, SENSES, CUES, FILLERS = 8, 3, 20, 20
CONTEXT, CUES_IN_CONTEXT, MISLEADING = 11, 6, 0.15
_FIRST_CUE = WORDS
_FIRST_FILLER = _FIRST_CUE + SENSES * CUES
_FIRST_ANSWER = _FIRST_FILLER + FILLERS
MODEL = TransformerConfig(
    vocabulary=_FIRST_ANSWER + WORDS * SENSES,
    context=CONTEXT + 1,
    layers=2,
    embedding=48,
    heads=4,
    dropout=0.0,
)
ADAM = OptimizerConfig(name="adamw", rate=2e-3)
BATCH = 128
MOLE = 0  # the word that is drawn
SENTENCES = (
    '"American\nshrew mole"',
    '"one mole of\ncarbon dioxide"',
    '"a biopsy\nof the mole"',
)
STAGES = ("embedding", "attention 1", "MLP 1", "attention 2", "MLP 2")


@dataclasses.dataclass(frozen=True)
class Config:
    """How the ambiguous words are learned.

    Attributes:
      steps: of training, on 128 sentences each.
      examples: sentences that accuracies and cosines are measured on.
    """

    steps: int = 200
    examples: int = 2000

    def __post_init__(self) -> None:
        shared.check("mole", self, examples=1000)  # or a meaning may have none
        shared.check_steps("mole", self.steps)


class Streams(NamedTuple):
    """What the ambiguous words' vectors say, stage by stage.

    Attributes:
      same: mean cosine of a word's vectors where it means the same.
      across: where it does not.
      random: of two different words, the baseline.
      sense: share of vectors whose nearest centroid is that of their meaning.
    """

    same: Float[np.ndarray, "stages"]
    across: Float[np.ndarray, "stages"]
    random: Float[np.ndarray, "stages"]
    sense: Float[np.ndarray, "stages"]


def sentence(key: Key) -> Batch:
    """One sentence with its answer, and what it was made from."""
    which, meant, misled, cue, filler, place = jax.random.split(key, 6)
    word = jax.random.randint(which, (), 0, WORDS, jnp.int32)
    sense = jax.random.randint(meant, (), 0, SENSES, jnp.int32)
    wrong_by = jax.random.randint(misled, (CONTEXT,), 1, SENSES, jnp.int32)
    misleads = jax.random.bernoulli(
        jax.random.fold_in(misled, 1), MISLEADING, (CONTEXT,)
    )
    hinted = (sense + wrong_by * misleads) % SENSES
    cues = (
        _FIRST_CUE
        + hinted * CUES
        + jax.random.randint(cue, (CONTEXT,), 0, CUES, jnp.int32)
    )
    fillers = _FIRST_FILLER + jax.random.randint(
        filler, (CONTEXT,), 0, FILLERS, jnp.int32
    )
    is_cue = jax.random.permutation(place, CONTEXT) < CUES_IN_CONTEXT
    last = jnp.stack([word, _FIRST_ANSWER + word * SENSES + sense])
    return {
        "tokens": jnp.concatenate([jnp.where(is_cue, cues, fillers), last]),
        "counts": (jnp.arange(CONTEXT + 1) == CONTEXT).astype(jnp.float32),
        "word": word,
        "sense": sense,
    }


def ceiling(cues: int, misleading: float, senses: int) -> float:
    """How often the majority of the cues is right, ties broken by lot.

    No reader can do better: all cues tell equally much. Misleading cues take each
    wrong sense equally often.
    """
    right = 0.0
    for votes in itertools.product(range(cues + 1), repeat=senses):
        if sum(votes) == cues:
            ways = math.factorial(cues) / math.prod(map(math.factorial, votes))
            wrong = misleading / (senses - 1)
            chance = (1 - misleading) ** votes[0] * wrong ** (cues - votes[0])
            if votes[0] == max(votes):
                right += ways * chance / votes.count(max(votes))
    return right


def plans(config: Config, setting: Setting) -> tuple[Plan, Plan]:
    """The model and the one without attention; histories have "test/accuracy"."""
    batch = math.gcd(config.examples, 1000)
    test = shared.drawn_evaluation(sentence, batch, config.examples, setting.seed)

    def plan(name: str, model: TransformerConfig) -> Plan:
        return shared.plan(
            setting.seed, name, Task(*next_token.functions(model)), ADAM,
            shared.drawn(sentence, BATCH, setting.seed), config.steps, {"test": test},
        )  # fmt: skip

    deaf = dataclasses.replace(MODEL, blocks="mlp")
    return plan("mole", MODEL), plan("mole_without_attention", deaf)


def stages(params: Params, tokens: Int[Array, "B T"]) -> Float[Array, "stages B D"]:
    """The last word's vector at each stage of the model."""
    passed = trace(MODEL, params, tokens)
    assert passed.after_attention is not None
    assert passed.after_mlp is not None
    both = jnp.stack([passed.after_attention, passed.after_mlp], axis=1)
    return jnp.concatenate(
        [passed.embedding[None], both.reshape(-1, *passed.embedding.shape)]
    )[:, :, -1]


def measure(
    vectors: Float[np.ndarray, "stages B D"],
    word: Int[np.ndarray, "B"],
    sense: Int[np.ndarray, "B"],
) -> Streams:
    """Cosines and centroids of every stage."""
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    one_word, one_sense = (each[:, None] == each[None] for each in (word, sense))
    different = ~np.eye(len(word), dtype=bool)
    groups = (
        one_word & one_sense & different,
        one_word & ~one_sense,
        ~one_word,
    )
    cosines = unit @ unit.swapaxes(1, 2)
    same, across, random = (cosines[:, group].mean(axis=1) for group in groups)
    shares = [_nearest_centroid(stage, word, sense) for stage in vectors]
    return Streams(same, across, random, np.array(shares))


def _nearest_centroid(vectors: np.ndarray, word: np.ndarray, sense: np.ndarray) -> Any:
    """The centroids are those of the first half, the second half is judged."""
    half = len(word) // 2
    groups = _centroids(vectors[:half], word[:half], sense[:half])
    distances = ((vectors[half:, None] - groups[word[half:]]) ** 2).sum(axis=-1)
    return (distances.argmin(axis=1) == sense[half:]).mean()


def _centroids(
    vectors: Float[np.ndarray, "B D"],
    word: Int[np.ndarray, "B"],
    sense: Int[np.ndarray, "B"],
) -> Float[np.ndarray, "words senses D"]:
    """The mean vector of each word in each of its meanings."""

    def mean(chosen: Bool[np.ndarray, "B"]) -> np.ndarray:
        return vectors[chosen].mean(axis=0)

    return np.array(
        [
            [mean((word == w) & (sense == s)) for s in range(SENSES)]
            for w in range(WORDS)
        ]
    )


def in_three_dimensions(
    vectors: Float[np.ndarray, "stages N D"], sense: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "stages N 3"]:
    """The directions of one word's vectors, to be drawn.

    The third axis is along the embedding, which is the first stage. The two others
    span the plane through the mean vectors of the three meanings, made perpendicular
    to the embedding; the first meaning is a twelfth of a turn to the right of ahead.
    """
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    generic, places = unit[0, 0], []
    angle = -np.pi / 6
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for stage in unit:
        means = np.stack([stage[sense == s].mean(axis=0) for s in range(SENSES)])
        apart = means - means.mean(axis=0)
        apart = apart - apart @ generic[:, None] * generic[None]
        first = _unit(apart[0])
        second = _unit(apart[1] - apart[1] @ first * first)
        ground = stage @ np.stack([first, second], axis=1) @ turn
        places.append(np.column_stack([ground, stage @ generic]))
    return np.array(places)


def _unit(vector: np.ndarray) -> np.ndarray:
    """Of length 1; a vector of length 0 stays."""
    return vector / (np.linalg.norm(vector) or 1.0)


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains with and without attention, follows the words' vectors through."""
    fit, deaf = (each.fit(setting.workdir) for each in plans(config, setting))
    accuracies = {
        name: shared.curve(each, "test/accuracy")
        for name, each in (("with attention", fit), ("without", deaf))
    }
    read = shared.examples(sentence, config.examples, setting.seed)
    vectors = np.asarray(jax.jit(stages)(fit.state.params, read["tokens"][:, :-1]))
    word, sense = np.asarray(read["word"]), np.asarray(read["sense"])
    streams = measure(vectors, word, sense)
    is_mole = word == MOLE
    places = in_three_dimensions(vectors[:, is_mole], sense[is_mole])
    best = ceiling(CUES_IN_CONTEXT, MISLEADING, SENSES)
    drawn = [
        style.save(
            pictures.refined_meanings(
                setting.theme, dict(zip(STAGES, places, strict=True)),
                sense[is_mole], SENTENCES,
            ),
            setting.workdir, "mole", places=places, sense=sense[is_mole],
        ),
        style.save(
            pictures.cosines_by_stage(
                setting.theme, STAGES, streams.same, streams.across, streams.random,
                streams.sense, accuracies, best,
            ),
            setting.workdir, "mole_cosines", **streams._asdict(),
            **{
                f"accuracy_{name.replace(' ', '_')}": curve
                for name, (_, curve) in accuracies.items()
            },
        ),
    ]  # fmt: skip
    finals = [float(curve[-1]) for _, curve in accuracies.values()]
    return _claims(config, finals, streams, best), drawn


def _claims(
    config: Config, finals: list[float], streams: Streams, best: float
) -> list[Claim]:
    video = "3Blue1Brown, Attention in transformers, step-by-step"
    cosine = f"{video}; -.15 and .93 measured elsewhere, baseline not taken off"
    of_majority = (
        f"{video}; a closed form: the majority of the cues is right {best:.3f}"
    )
    same, across = streams.same - streams.random, streams.across - streams.random
    # (name, statement, measured, stated, expected, unit, source)
    rows: list[tuple[str, str, float, Any, Any, str, str]] = [
        ("accuracy", "the context decides what the mole is", finals[0],
         (0.9, 1), (best - 0.02, best + 0.008), "accuracy", of_majority),
        ("without_attention", "without attention no context reaches the mole",
         finals[1], (0.3, 0.37), (0.3, 0.37), "accuracy, chance is 1/3", video),
        ("one_embedding", "the embedding of mole is the same in every context",
         float(streams.across[0]), (0.9999, 1.0001), (0.9999, 1.0001),
         "cosine across meanings", video),
        ("same_meaning", "after one attention block moles of one meaning point one way",
         float(same[1]), (0.8, None), (0.8, 1.05), "cosine above random pairs", cosine),
        ("other_meaning", "and moles of two meanings in distinct directions",
         float(across[1]), (None, 0.5), (-0.4, 0.4), "cosine above random pairs",
         cosine),
        ("meaning_in_embedding", "the embedding does not tell which mole it is",
         float(streams.sense[0]), (0.28, 0.39), (0.28, 0.39),
         "of vectors, by the nearest centroid", f"{video}; chance is 1/3"),
        ("meaning_after_attention", "one attention block later the vector does",
         float(streams.sense[1]), (0.9, 1), (best - 0.03, 1),
         "of vectors, by the nearest centroid", f"{video}; .99 measured elsewhere"),
    ]  # fmt: skip
    exact, default = "one_embedding", Config()
    enough = config.steps >= default.steps and config.examples >= default.examples
    return [
        Claim(
            f"7.mole_{name}", statement, measured, stated, expected, source, unit=unit,
            needs="" if name == exact else "the default steps and examples",
            scored=enough or name == exact,
        )
        for name, statement, measured, stated, expected, unit, source in rows
    ]  # fmt: skip
