"""How many facts one MLP block holds: learned, by hand, and without its ReLU.

Each block learns facts that have no rule, name to one of 16 answers, until they no
longer fit. Blocks of several widths are given equally many facts a parameter; blocks
that are one line without their ReLU, equally many for each parameter that counts then.

Source: 3Blue1Brown, "How might LLMs store facts"; see `nnguide.facts.memory`.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments import study as shared
from experiments.part8 import capacity_claims
from experiments.part8.setting import Setting
from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.data.batches import Batches, RowStream
from nnguide.facts import memory
from nnguide.facts.memory import Facts
from nnguide.plots import memory as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.training import OptimizerConfig, Task

FITS, TOO_MANY = 1 / 4, 1 / 2  # facts a parameter
ADAM = OptimizerConfig(name="adamw", rate=3e-3, schedule="cosine")
BIASES = (-1.0, -1.5)
DRAWS = 8  # of facts written by hand
YES = 2.0  # what a full "yes" adds by hand, in lengths of an answer's direction


@dataclasses.dataclass(frozen=True)
class Config:
    """How the blocks are trained.

    Attributes:
      widths: numbers of neurons, ascending.
      steps: of training, on all facts each.
      loads: facts a parameter, ascending.
      networks: for each number of facts, each with facts of its own.
      by_hand: facts that are written, one neuron each, ascending.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    steps: int = 1000
    loads: tuple[float, ...] = (1 / 8, FITS, 5 / 16, 3 / 8, TOO_MANY)
    networks: int = 2
    by_hand: tuple[int, ...] = (64, 256, 1024, 4096)

    def __post_init__(self) -> None:
        shared.check("capacity", self, widths=8, networks=1, by_hand=1)
        shared.check_steps("capacity", self.steps)
        for load in (FITS, TOO_MANY):
            if load not in self.loads or sorted(self.loads) != list(self.loads):
                given = ",".join(map(str, self.loads))
                raise InputError(
                    f"--capacity.loads={given}: give facts a parameter, ascending, "
                    f"{FITS} and {TOO_MANY} among them, which claims are about."
                )
        most = round(self.loads[-1] * memory.parameters(self.widths[-1]))
        if max(most, self.by_hand[-1]) > memory.NAMES**2:
            raise InputError(
                f"--capacity: {max(most, self.by_hand[-1]):,} facts take as many names "
                f"of {memory.NAMES**2:,}; lower widths, loads or by_hand."
            )


class Learned(NamedTuple):
    """What blocks of one kind know after training, an entry a load and network.

    Attributes:
      neurons: of each block.
      parameters: of each, all of them.
      facts: that each was given, an entry a load.
      recall: share of the facts that are known.
      bits: known, for each parameter.
    """

    neurons: int
    parameters: int
    facts: Int[np.ndarray, "loads"]
    recall: Float[np.ndarray, "loads networks"]
    bits: Float[np.ndarray, "loads networks"]


def drawn_facts(sets: int, count: int, seed: int) -> tuple[Facts, Any]:
    """Sets of so many facts, stacked, and the directions of all their answers."""
    of_facts, of_answers = jax.random.split(jax.random.key(seed))

    @jax.jit
    def draw(keys: Any) -> Facts:
        return jax.lax.map(lambda key: memory.random_facts(key, count), keys)

    keys = jax.random.split(of_facts, sets)
    return draw(keys), memory.answer_directions(of_answers)


def task(
    neurons: int, facts: tuple[int, ...], networks: int, answers: Any, relu: bool
) -> Task:
    """Blocks that learn side by side, of which none feels another.

    Each reads the first of its network's facts, as many as it was given. The loss is
    the sum of theirs, and Adam goes entry by entry.

    Args:
      neurons: of each block.
      facts: that blocks are given; the batch holds the most for each network.
      networks: blocks with that many facts.
      answers: the answers' directions.
      relu: False for the linear control.
    """

    def init(key: Key) -> Params:
        def some(key: Key) -> Params:
            keys = jax.random.split(key, networks)
            return jax.vmap(lambda key: memory.initial_params(key, neurons))(keys)

        keys = jax.random.split(key, len(facts))
        return {str(n): some(key) for n, key in zip(facts, keys, strict=True)}

    def known(params: Params, batch: Batch) -> dict[str, memory.Recall]:
        def some(n: int) -> memory.Recall:
            read = Facts(batch["name"][:, :n], batch["answer"][:, :n])
            return jax.vmap(
                lambda params, facts: memory.recall(params, facts, answers, relu)
            )(params[str(n)], read)

        return {str(n): some(n) for n in facts}

    def loss(params: Params, batch: Batch, key: Key) -> Any:
        del key  # nothing is random
        total = sum(each.surprise.sum() for each in known(params, batch).values())
        return (total, jnp.ones((), jnp.float32)), {}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key
        return {
            f"{name}/{kind}": (value, jnp.ones((), jnp.float32))
            for name, each in known(params, batch).items()
            for kind, value in each._asdict().items()
        }

    return Task(init, loss, evaluate)


def learn(
    config: Config,
    setting: Setting,
    facts: Facts,
    answers: Float[Array, "K D"],
    neurons: int,
    relu: bool = True,
) -> Learned:
    """Trains blocks of one width on each number of facts, or reads them back.

    Args:
      config: how.
      setting: of the run.
      facts: for each network as many as its block is ever given, or more.
      answers: their directions.
      neurons: of each block.
      relu: False for the linear control.
    """
    parameters = memory.parameters(neurons)
    counting = parameters if relu else memory.parameters_without_relu()
    counts = tuple(round(load * counting) for load in config.loads)
    given = {name: leaf[:, : counts[-1]] for name, leaf in facts._asdict().items()}
    whole = Batches(
        RowStream(lambda step: np.zeros(1, np.int32)),  # every step reads all facts
        lambda arrays, rows, key: arrays,
        given,
    )
    learning = task(neurons, counts, config.networks, answers, relu)
    name = f"capacity_{neurons}" + ("" if relu else "_without_relu")
    fit = shared.train(setting, name, learning, ADAM, whole, config.steps, {})
    known = jax.jit(learning.evaluate)(fit.state.params, given, fit.state.key)
    share, surprise = (
        np.array([known[f"{n}/{kind}"][0] for n in counts])
        for kind in memory.Recall._fields
    )
    bits = memory.bits(np.array(counts)[:, None], surprise) / parameters
    return Learned(neurons, parameters, np.array(counts), share, bits)


def written_by_hand(
    facts: tuple[int, ...], seed: int
) -> Float[np.ndarray, "biases facts draws"]:
    """Recall of blocks with one AND neuron a fact, at each of `BIASES`."""
    every, answers = drawn_facts(DRAWS, facts[-1], seed)

    def one(bias: Any, drawn: Facts) -> Any:
        columns = YES / (2 + bias) * answers[drawn.answer]
        params = memory.by_hand(drawn.name, columns, bias)
        return memory.recall(params, drawn, answers).share

    @jax.jit
    def shares(every: Facts) -> Any:
        return [
            [
                jax.lax.map(
                    lambda drawn, bias=bias: one(bias, drawn),
                    jax.tree.map(lambda leaf, n=n: leaf[:, :n], every),
                )
                for n in facts
            ]
            for bias in BIASES
        ]

    return np.array(shares(every))


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains the blocks of every width and the linear ones, writes some by hand."""
    widest = config.widths[-1]
    most = round(config.loads[-1] * memory.parameters(widest))
    given = drawn_facts(config.networks, most, setting.seed)
    learned = [learn(config, setting, *given, neurons) for neurons in config.widths]
    linear = learn(config, setting, *given, widest, relu=False)
    hand = written_by_hand(config.by_hand, setting.seed)
    theme, workdir = setting.theme, setting.workdir
    curves = {
        f"{each.neurons} neurons": (each.facts, each.recall, each.bits)
        for each in learned
    }
    curves["without\nReLU"] = (linear.facts, linear.recall, linear.bits)
    parameters = [each.parameters for each in [*learned, linear]]
    arrays = {
        f"{kind}_{name}": value
        for kind, each in zip(
            [*map(str, config.widths), "without_relu"], [*learned, linear], strict=True
        )
        for name, value in each._asdict().items()
    }
    largest = learned[-1]
    drawn = [
        style.save(
            pictures.capacity(
                theme, curves, np.array(parameters), memory.ANSWERS, config.steps,
                {"Allen-Zhu and Li: language models": memory.ALLEN_ZHU,
                 "Morris et al.: GPT on random strings": memory.MORRIS},
            ),
            workdir, "capacity", **arrays,
        ),
        style.save(
            pictures.by_hand(
                theme, np.array(config.by_hand), dict(zip(BIASES, hand, strict=True)),
                largest.neurons, fitting(largest),
                largest.parameters / max(fitting(largest), 1),
                largest.parameters / largest.neurons,
            ),
            workdir, "facts_by_hand", facts=np.array(config.by_hand), recall=hand,
        ),
    ]  # fmt: skip
    return _claims(config, learned, linear, hand), drawn


def fitting(learned: Learned) -> int:
    """The most facts that were given of which 99% are known, mean of the networks."""
    known = learned.recall.mean(axis=1) >= 0.99
    return int(learned.facts[known].max(initial=0))


def _claims(
    config: Config, learned: list[Learned], linear: Learned, hand: np.ndarray
) -> list[Claim]:
    peaks = [float(each.bits.mean(axis=1).max()) for each in learned]
    without = float(linear.bits.mean(axis=1).max()) / peaks[-1]
    counting = linear.parameters / memory.parameters_without_relu()
    fits, lost = config.loads.index(FITS), config.loads.index(TOO_MANY)
    measured = {
        "fits": min(each.recall.mean(axis=1)[fits] for each in learned),
        "cliff": np.mean([each.recall[lost] for each in learned]),
        "bits": np.mean(peaks),
        "same_at_widths": max(peaks) / min(peaks),
        "without_relu": without,
        "counting": without * counting,
        "by_hand": hand[0, 0].mean(),
        "neurons": fitting(learned[-1]) / learned[-1].neurons,
    }
    return capacity_claims.claims(measured, scored=config == Config())
