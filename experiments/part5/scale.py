"""How much is 300 billion words to read, and how much is a training to compute?

Reading never pauses, computing never either. Our own speed stands beside the guide's
"one billion additions and multiplications a second": the matrix work of the training
steps of this very run, divided by the time they took.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import json
from typing import Any

import jax
import numpy as np

from experiments.part5 import training_run
from experiments.part5.setting import Setting
from nnguide import flops, training
from nnguide.language import scale
from nnguide.plots import long_times as pictures
from nnguide.plots import style
from nnguide.results import Caveat, Claim
from nnguide.training import OptimizerConfig
from nnguide.training.step import initial_state, make_step

SOURCE = "3Blue1Brown, Large Language Models explained briefly"


def flop_a_step(
    setting: Setting, optimizer: OptimizerConfig, steps: int, batch_size: int
) -> int:
    """Matrix work of one training step, of the attention as it is written out."""
    task = training_run.task_of(setting.model.countable())
    chain = training.make_optimizer(optimizer, steps)
    batches = training_run.batches(setting, batch_size)

    def make(key: Any) -> Any:
        return initial_state(task, chain, key)

    state = jax.eval_shape(make, jax.random.key(0))
    step = make_step(task, chain, batches)
    shared = (jax.eval_shape(lambda: batches.arrays), {})
    rows = next(batches.stream(0))
    return flops.count(lambda s, r, x: step(s, r, x, None), state, rows, shared)


def steps_a_second(setting: Setting) -> float:
    """The median over the run's rows of metrics, whenever they were computed."""
    lines = (setting.workdir / "timings.jsonl").read_text().splitlines()
    return float(np.median([json.loads(line)["steps_per_second"] for line in lines]))


def study(
    setting: Setting, optimizer: OptimizerConfig, steps: int, batch_size: int
) -> tuple[list[Claim], list[str]]:
    """Computes the times, prints what they assume, and draws them."""
    a_step = flop_a_step(setting, optimizer, steps, batch_size)
    speed = a_step * steps_a_second(setting)
    device = jax.devices()[0].device_kind
    speeds = (
        (scale.GPT3_TOKENS, scale.WORDS_A_MINUTE),
        (scale.GPT3_CORPUS, scale.WORDS_A_MINUTE),
        (scale.GPT3_CORPUS, 274.0),
    )
    reading = {
        f"{tokens / 1e9:.0f} billion tokens, {words:g} words a minute": (
            scale.reading_years(tokens, words)
        )
        for tokens, words in speeds
    }
    computing = {each.name: scale.compute_years(each.flop) for each in scale.TRAININGS}
    gpt3 = scale.TRAININGS[0].flop
    own = {
        f"GPT-3 at this run's {speed / 1e9:,.3g} billion a second": gpt3 / speed,
        "this run at one billion a second": steps * a_step / scale.GUIDE_RATE,
    }
    _print_assumptions(a_step, speed, device)
    picture = style.save(
        pictures.long_times(setting.theme, reading, computing, own, speed),
        setting.workdir,
        "scale",
        reading_years=list(reading.values()),
        computing_years=list(computing.values()),
        flop_a_step=a_step,
        flop_a_second=speed,
    )
    return _claims(computing), [picture]


def _print_assumptions(a_step: int, speed: float, device: str) -> None:
    rate = scale.words_a_minute_for(scale.GUIDE_READING_YEARS, scale.GPT3_CORPUS)
    print(
        f"reading: {scale.WORDS_A_TOKEN} words a token, {scale.WORDS_A_MINUTE:g} words "
        "a minute, day and night; GPT-3 was trained on 300 billion tokens of a corpus "
        f"of 499 billion; 2,600 years are the whole corpus at {rate:.0f} words a minute"
    )
    for each in scale.TRAININGS:
        print(
            f"computing: {each.name} {each.flop:.3g} FLOP ({each.how}) at 1e9 a second:"
            f" {scale.compute_years(each.flop) / 1e6:,.4g} million years"
        )
    years = scale.compute_years(scale.TRAININGS[0].flop, speed)
    print(
        f"this run: {a_step:,} FLOP a step (matrix products alone) on {device}: "
        f"{speed:.3g} FLOP a second; GPT-3 would take it {years:,.0f} years"
    )


def _claims(computing: dict[str, float]) -> list[Claim]:
    needed = scale.reading_years(scale.GPT3_TOKENS)
    gpt3, largest = computing["GPT-3"], max(computing.values())
    six_n_d = scale.training_flop(174.6e9, scale.GPT3_TOKENS)
    return [
        Claim(
            "5.reading_years",
            "to read what GPT-3 was trained on takes more than 2,600 years",
            needed,
            (scale.GUIDE_READING_YEARS, None),
            (1797, 1798),
            f"{SOURCE}; 300e9 tokens * 0.75 / 238 words a minute (Brysbaert 2019)",
            unit="years, day and night",
            caveat=Caveat(
                (1500, scale.GUIDE_READING_YEARS),
                "it takes the whole corpus of 499 billion tokens at 274 words a "
                "minute; GPT-3 was trained on 300 billion of them",
            ),
        ),
        Claim(
            "5.reading_years_corpus",
            "to read GPT-3's whole corpus takes more than 2,600 years",
            scale.reading_years(scale.GPT3_CORPUS),
            (scale.GUIDE_READING_YEARS, None),
            (2989, 2990),
            f"{SOURCE}; 499e9 tokens * 0.75 / 238 words a minute",
            unit="years, day and night",
        ),
        Claim(
            "5.flop_gpt3",
            "6 N D, 174.6 billion parameters and 300 billion tokens, is GPT-3's cost",
            six_n_d / scale.TRAININGS[0].flop,
            (0.99, 1.01),
            (1.0, 1.002),
            "Kaplan et al., arXiv 2001.08361; Brown et al., arXiv 2005.14165",
            unit="of the 3.14e23 in the paper",
        ),
        Claim(
            "5.compute_years_largest",
            "at one billion operations a second the largest models take well over 100 "
            "million years",
            largest,
            (scale.GUIDE_YEARS, None),
            (1.2e9, 1.21e9),
            f"{SOURCE}; Llama 3.1 405B, 3.8e25 FLOP",
            unit="years",
        ),
        Claim(
            "5.compute_years_gpt3",
            "that holds of GPT-3 too",
            gpt3,
            (scale.GUIDE_YEARS, None),
            (9.94e6, 9.96e6),
            "the guide's sentence read as one about GPT-3; 3.14e23 FLOP, its paper",
            unit="years",
        ),
    ]
