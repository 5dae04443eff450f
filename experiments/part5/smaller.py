"""A small model that learned to answer, against a larger one that only read.

InstructGPT with 1.3 billion parameters was preferred to GPT-3 with 175 billion. Here
the small model is pre-trained on the same batches as the large one, and fine-tuned; it
learns from no feedback.

Source: Ouyang et al., arXiv 2203.02155, section 1.
"""

import dataclasses
from collections.abc import Callable, Iterator

import jax

from experiments.part5 import finetune, material, rungs
from experiments.part5.feedback import (
    NEEDS,
    Chatbot,
    Said,
    announce,
    examine,
    preferred,
)
from experiments.part5.setting import Setting
from experiments.plan import Plan
from nnguide.array_types import Params
from nnguide.results import Claim

LAYERS, EMBEDDING, HEADS = 2, 64, 2
FOLDER = "smaller"


def smaller(setting: Setting, bot: Chatbot) -> tuple[Setting, Chatbot]:
    """The same with the small model, in a folder of its own.

    Raises:
      InputError: the large model's choices do not go with the small sizes.
    """
    config = dataclasses.replace(
        bot.model.config, layers=LAYERS, embedding=EMBEDDING, heads=HEADS
    )
    model, folder = bot.model._replace(config=config), setting.workdir / FOLDER
    return (
        setting._replace(model=model, workdir=folder),
        bot._replace(model=model, workdir=folder),
    )


def whole_ladder(
    setting: Setting, bot: Chatbot, pretraining: Callable[[Setting], Plan]
) -> Iterator[Plan]:
    """All trainings of --stage=ladder, named from the workdir on."""
    yield pretraining(setting)
    yield from rungs.plans(bot, "ladder", "grpo")  # the ladder takes every algorithm
    shrunk, small = smaller(setting, bot)
    for plan in (pretraining(shrunk), *rungs.plans(small, "finetune", "grpo")):
        yield plan._replace(name="/".join(filter(None, (FOLDER, plan.name))))


def study(
    setting: Setting,
    bot: Chatbot,
    base: Params,
    large: Said,
    steps: int,
    pretrained: Callable[[Setting], Params],
) -> Claim:
    """Trains the small model, or reads it back, and lets the judge compare.

    Args:
      setting: of the pre-training.
      bot: the large chatbot.
      base: the large pre-trained model, of which it is made.
      large: what that answers.
      steps: of both pre-trainings.
      pretrained: trains the model of a setting as the large one was.
    """
    shrunk, small = smaller(setting, bot)
    shrunk.workdir.mkdir(exist_ok=True)
    announce("a smaller model, pre-trained, then fine-tuned")
    read = pretrained(shrunk)
    material.keep_record(small, steps)
    shown = material.read(small, "finetune").demonstrations
    tuned = finetune.finetuned(small, read, shown)
    said = examine(small, tuned)
    share, half = preferred(said.worth, large.worth)
    times = _count(base) / _count(tuned)
    return Claim(
        "5.small_tuned_preferred",
        "a small model tuned to answer is preferred to a larger one that only read",
        share,
        (0.5, 1),
        (0.6, 1),
        "Ouyang et al., section 1: 1.3B preferred to 175B",
        unit=f"of {len(said.worth)} answers, ties half, +-{half:.3f}; 1 to {times:.0f} "
        "in parameters",
        needs=NEEDS,
        scored=bot.known,
    )


def _count(params: Params) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))
