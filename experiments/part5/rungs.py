"""The stages after pre-training: fine-tuning, reward model, RLHF, over-optimization.

`climb` runs the stages up to the selected one and restores finished trainings.

Sources: 3Blue1Brown, "Large Language Models explained briefly"; Ouyang et al., arXiv
2203.02155; Gao et al., arXiv 2210.10760.
"""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from flax import linen as nn

from experiments.part5 import finetune, material, next_words, reward, rlhf
from experiments.part5.feedback import (
    NEEDS,
    Algorithm,
    Chatbot,
    Rung,
    Said,
    examine,
    preferred,
)
from experiments.part5.material import Material
from experiments.part5.reward import Rewarded
from experiments.part5.rlhf import Improved
from experiments.plan import Plan
from experiments.studies import Measured
from nnguide.array_types import Params
from nnguide.plots import feedback as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.transformer.model import initial_params

EVERY: tuple[Algorithm, ...] = ("dpo", "ppo", "grpo")
WEAK_PAIRS = 50  # training pairs of the weak reward model
SHOWN = 6  # questions in the picture of answers
# The sections of results.json; a later run replaces each section that it measures.
SECTIONS = (
    "finetune", "reward", "dpo", "ppo", "grpo", "rlhf", "over_optimized", "smaller",
)  # fmt: skip
# Two means over 136 answers of one model differ by less in 95% of cases.
BY_CHANCE = 0.1


def climb(
    bot: Chatbot, base: Params, learned: Material, before: Said, rung: Rung,
    algorithm: Algorithm,
) -> Iterator[tuple[str, Measured]]:  # fmt: skip
    """Runs the stages up to `rung` and measures each.

    Args:
      bot: the chatbot.
      base: the pre-trained parameters.
      learned: the training data.
      before: the pre-trained model's answers.
      rung: the last stage; ladder runs all algorithms, then the over-optimization.
      algorithm: the algorithm of the stage rlhf.

    Yields:
      (name, claims and pictures) of sections of results.json; see `SECTIONS`.
    """
    tuned = finetune.finetuned(bot, base, learned.demonstrations)
    after = examine(bot, tuned)
    past = finetune.runs_past(bot, base)
    picture = next_words.before_and_after(bot, base, tuned)
    yield "finetune", (finetune.claims(bot, before, after, past), [picture])
    if rung == "finetune":
        return
    pairs = learned.pairs or reward.paired(bot, tuned)
    reward_model = reward.rewarded(bot, tuned, pairs)
    yield "reward", (reward.claims(bot, reward_model), [])
    if rung == "reward":
        return
    found: dict[Algorithm, Improved] = {}
    for name in EVERY if rung == "ladder" else (algorithm,):
        found[name] = rlhf.improved(bot, tuned, reward_model, name)
        yield name, ([_preferred_to_tuned(bot, name, found[name], after)], [])
    pictures_of_all = [_frontier(bot, found), _answers(bot, before, after, found)]
    yield "rlhf", ([_preferred_to_base(bot, found, before)], pictures_of_all)
    if rung == "ladder":
        weak = reward.rewarded(bot, tuned, pairs.first(WEAK_PAIRS), "weak_reward")
        measured, drawn = _over_optimized(bot, tuned, weak)
        yield "over_optimized", ([measured], [drawn])


def plans(bot: Chatbot, rung: Rung, algorithm: Algorithm) -> Iterator[Plan]:
    """The trainings of `climb` in an empty workdir, named relative to the workdir."""
    for plan in _plans(bot, rung, algorithm):
        yield plan._replace(name=f"{bot.folder.name}/{plan.name}")


def _plans(bot: Chatbot, rung: Rung, algorithm: Algorithm) -> Iterator[Plan]:
    base = jax.eval_shape(
        lambda key: nn.unbox(initial_params(bot.model.config, key)), jax.random.key(0)
    )
    learned = material.read(bot, rung)
    yield finetune.plan(bot, base, learned.demonstrations)
    if rung == "finetune":
        return
    pairs = learned.pairs or reward.imagined(bot)
    yield reward.plan(bot, pairs)
    if rung == "reward":
        return
    reference = np.zeros((len(pairs.learned.tokens), 2), np.float32)
    ways: dict[Algorithm, Callable[[], Plan]] = {
        "dpo": lambda: rlhf.dpo_plan(bot, pairs.learned, reference),
        "ppo": lambda: rlhf.with_ppo(bot).plan,
        "grpo": lambda: (
            rlhf.with_grpo(bot, bot.config.grpo, bot.config.policy_rate).plan
        ),
    }
    for name in EVERY if rung == "ladder" else (algorithm,):
        yield ways[name]()
    if rung == "ladder":
        yield reward.plan(bot, pairs.first(WEAK_PAIRS), "weak_reward")
        yield rlhf.going_far(bot).plan


def _preferred_to_base(
    bot: Chatbot, found: dict[Algorithm, Improved], before: Said
) -> Claim:
    """The claim that the judge prefers the best policy to the pre-trained model."""
    shares = {
        name: preferred(each.said.worth, before.worth) for name, each in found.items()
    }
    best = max(shares, key=lambda name: shares[name][0])
    share, half = shares[best]
    return Claim(
        "5.preferred_to_base",
        "people prefer a model tuned by their feedback to the pre-trained one",
        share,
        (0.85, 1),
        (0.85, 1),
        "Ouyang et al., section 4.1: 85 +- 3% for 175B",
        unit=f"of {len(before.worth)} answers, {best}, +-{half:.3f}",
        needs=NEEDS,
        scored=bot.known,
    )


def _preferred_to_tuned(
    bot: Chatbot, name: Algorithm, found: Improved, after: Said
) -> Claim:
    """The claim that the judge prefers a policy to the fine-tuned model."""
    share, half = preferred(found.said.worth, after.worth)
    return Claim(
        f"5.{name}_preferred_to_tuned",
        f"{name}: feedback improves on imitation",
        share,
        (0.5, 1),
        (0.5, 1),
        "3Blue1Brown, Large Language Models explained briefly",
        unit=f"of {len(after.worth)} answers, ties half, +-{half:.3f}",
        needs=NEEDS,
        scored=bot.known,
    )


def _frontier(bot: Chatbot, found: dict[Algorithm, Improved]) -> str:
    """Draws the judge's score over the KL divergence for each algorithm."""
    columns = {
        name.upper(): np.array(each.points).T  # kl, reward, worth
        for name, each in found.items()
    }
    drawing = pictures.frontier(
        bot.theme, {name: (rows[0], rows[2]) for name, rows in columns.items()}
    )
    return style.save(drawing, bot.folder, "frontier", **columns)


def _answers(
    bot: Chatbot, before: Said, after: Said, found: dict[Algorithm, Improved]
) -> str:
    """Draws the answers of every model to up to two questions of each kind."""
    questions = bot.questions.heldout
    kinds: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        kinds.setdefault(question.kind, []).append(place)
    chosen = [place for places in kinds.values() for place in places[:2]][:SHOWN]
    said = {"pre-trained": before, "fine-tuned": after}
    said |= {name.upper(): each.said for name, each in found.items()}
    drawing = pictures.answers(
        bot.theme,
        [questions[place].asked for place in chosen],
        {
            name: ([each.texts[place] for place in chosen], each.worth[chosen])
            for name, each in said.items()
        },
        {name: each.worth.mean() for name, each in said.items()},
    )
    texts = {name: each.texts for name, each in said.items()}
    return style.save(drawing, bot.folder, "answers", **texts)


def _over_optimized(bot: Chatbot, tuned: Params, weak: Rewarded) -> tuple[Claim, str]:
    """Optimizes a weak reward model too far; claims that the judge's score falls."""
    points = np.array(rlhf.over_optimized(bot, tuned, weak).points, float)
    kl, opinion, worth = points.T
    pairs = min(WEAK_PAIRS, len(weak.pairs.tokens))
    drawing = pictures.over_optimization(bot.theme, kl, opinion, worth, pairs)
    claim = Claim(
        "5.over_optimized",
        "pleasing a weak model of what people want ends by pleasing people less",
        float(worth.max() - worth[-1]) if opinion[-1] > opinion[0] else 0.0,
        (BY_CHANCE, 1),
        (BY_CHANCE, 1),
        "Gao et al., arXiv 2210.10760, figure 1",
        unit="fall of the judge's opinion from its peak while the model's rose",
        needs=NEEDS,
        scored=bot.known,
    )
    picture = style.save(
        drawing, bot.folder, "over_optimization", kl=kl, reward=opinion, worth=worth
    )
    return claim, picture
