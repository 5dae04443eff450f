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
from experiments.part8.setting import Setting
from nnguide.array_types import Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.data.batches import Batches, RowStream
from nnguide.facts import memory
from nnguide.facts.memory import Facts
from nnguide.plots import memory as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim
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
    by_hand: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)

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
        return (total, jnp.ones(())), {}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key
        return {
            f"{name}/{kind}": (value, jnp.ones(()))
            for name, each in known(params, batch).items()
            for kind, value in each._asdict().items()
        }

    return Task(init, loss, evaluate)


def learn(config: Config, setting: Setting, neurons: int, relu: bool = True) -> Learned:
    """Trains blocks of one width on each number of facts, or reads them back."""
    parameters = memory.parameters(neurons)
    counting = parameters if relu else memory.parameters_without_relu()
    counts = tuple(round(load * counting) for load in config.loads)
    key = jax.random.fold_in(jax.random.key(setting.seed), neurons)
    of_answers, of_facts = jax.random.split(key)
    facts = jax.vmap(lambda key: memory.random_facts(key, counts[-1]))(
        jax.random.split(of_facts, config.networks)
    )._asdict()
    whole = Batches(
        RowStream(lambda step: np.zeros(1, np.int32)),  # every step reads all facts
        lambda arrays, rows, key: arrays,
        facts,
    )
    answers = memory.answer_directions(of_answers)
    learning = task(neurons, counts, config.networks, answers, relu)
    name = f"capacity_{neurons}" + ("" if relu else "_without_relu")
    fit = shared.train(setting, name, learning, ADAM, whole, config.steps, {})
    known = jax.jit(learning.evaluate)(fit.state.params, facts, key)
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

    def one(key: Key, bias: Any, count: int) -> Any:
        of_facts, of_answers = jax.random.split(key)
        drawn = memory.random_facts(of_facts, count)
        answers = memory.answer_directions(of_answers)
        columns = YES / (2 + bias) * answers[drawn.answer]
        params = memory.by_hand(drawn.name, columns, bias)
        return memory.recall(params, drawn, answers).share

    @jax.jit
    def every(keys: Any, biases: Any) -> Any:
        return [
            jax.lax.map(lambda pair, n=n: one(pair[0], pair[1], n), (keys, biases))
            for n in facts
        ]

    keys = jax.random.split(jax.random.key(seed), DRAWS)
    repeated = jnp.repeat(jnp.array(BIASES), DRAWS)
    shares = np.array(every(jnp.tile(keys, len(BIASES)), repeated))
    return shares.reshape(len(facts), len(BIASES), DRAWS).swapaxes(0, 1)


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains the blocks of every width and the linear ones, writes some by hand."""
    learned = [learn(config, setting, neurons) for neurons in config.widths]
    linear = learn(config, setting, config.widths[-1], relu=False)
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


_GUIDE = "3Blue1Brown, How might LLMs store facts; "
# name, statement, unit, where it holds, where a correct implementation lands, source
_CLAIMS: tuple[tuple[str, str, str, Band, Band, str], ...] = (
    (
        "fits", "one MLP block learns a fact for every four of its parameters",
        "recall, the lowest of all widths", (0.99, 1), (0.97, 1),
        _GUIDE + "100% in earlier runs at 64 and 256 neurons",
    ),
    (
        "cliff", "twice as many no longer fit, and half of all are lost",
        "recall, mean of all widths", (0.4, 0.65), (0.45, 0.6),
        _GUIDE + "45% to 52% in earlier runs",
    ),
    (
        "bits", "it holds about one bit a parameter",
        "bits a parameter at the best load, mean of all widths", (0.7, 1.4),
        (0.95, 1.3),
        "0.95 in earlier runs over a coarser ladder; whole language models: 2 bits at "
        "1,000 exposures, 1 at 100 (Allen-Zhu and Li, arXiv 2404.05405), 3.6 (Morris "
        "et al., arXiv 2505.24832)",
    ),
    (
        "same_at_widths", "at every width alike",
        "bits a parameter, the highest width over the lowest", (1, 1.2), (1, 1.2),
        "0.95 at 64 neurons and at 256 in earlier runs",
    ),
    (
        "without_relu", "without the ReLU it holds far less",
        "of the bits with it, at the largest width", (0, 0.3), (0.1, 0.18),
        "the block is one matrix then, 1,040 of 8,320 numbers count at 64 neurons",
    ),
    (
        "counting", "the same for each parameter that counts",
        "bits, without the ReLU over with it", (0.8, 1.25), (0.9, 1.25),
        "one matrix and a bias, seen by 16 answers",
    ),
    (
        "by_hand", "by hand a neuron holds a fact",
        "recall of one neuron a fact, bias -1, the fewest", (0.99, 1), (0.98, 1),
        _GUIDE + "closed form for perpendicular directions",
    ),
    (
        "neurons", "a fact has a neuron of its own",
        "facts a neuron, learned at 99% recall, the largest width", (0, 1.5), (26, 42),
        _GUIDE + "the video too expects superposition instead; a neuron has 130 "
        "parameters",
    ),
)  # fmt: skip


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
    return [
        Claim(
            f"8.capacity_{name}", statement, float(measured[name]), stated, expected,
            source, unit=unit, needs="the default flags",
            scored=config == Config() or name == "by_hand",
        )
        for name, statement, unit, stated, expected, source in _CLAIMS
    ]  # fmt: skip
