"""The chatbots that the rungs left, read back to be talked with."""

from typing import Literal

import optax

from experiments.part5.feedback import Chatbot, optimizer_of
from experiments.part5.training_run import restored
from nnguide.array_types import Params
from nnguide.config import InputError
from nnguide.language import finetuning, ppo
from nnguide.language.low_rank import merged, with_low_rank
from nnguide.training import Task

Name = Literal["pretrained", "finetuned", "dpo", "ppo", "grpo"]
_RUNGS = {"finetuned": "--stage=finetune"}  # the others: --stage=rlhf


def params_of(bot: Chatbot, base: Params, name: Name) -> Params:
    """The parameters of the transformer that a rung trained; nothing is trained.

    Args:
      bot: how it was tuned.
      base: the pre-trained parameters.
      name: which rung.

    Raises:
      InputError: that rung was not climbed.
    """
    if name == "pretrained":
        return base
    config, folder = bot.config, "finetune" if name == "finetuned" else name
    functions = finetuning.functions(*bot.model)  # DPO's and GRPO's have its parameters
    low_rank = name == "finetuned" and config.method == "low_rank"
    if low_rank:
        functions = with_low_rank(functions, config.low_rank)
    if name == "ppo":
        functions = ppo.functions(bot.model.config, config.ppo, *bot.model[1:])
    found = restored(Task(*functions), _any_optimizer(), bot.seed, bot.folder / folder)
    if found is None:
        rung = _RUNGS.get(name, f"--stage=rlhf --algorithm={name}")
        raise InputError(
            f"--chatbot={name}: {bot.folder / folder} holds no such model; train it "
            f"with the same flags and {rung}, or --stage=ladder."
        )
    params = found[1].params
    if low_rank:
        return merged(base, params, config.low_rank)
    return params["transformer"] if name == "ppo" else params


def _any_optimizer() -> optax.GradientTransformation:
    """Its state has the shape of every rung's; rates and steps are no part of it."""
    return optimizer_of(1e-3, 20)
