"""The trainings of part 5 whose results are known."""

from typing import Any

from nnguide.config import leaves

# By what sets them apart from the default.
_SHAKESPEARE = {"dataset": "tiny_shakespeare"}
_WIDER = {"model.layers": 6, "model.heads": 6, "model.embedding": 384}
_LONGER = {"model.context": 256, "batch_size": 64, "train.steps": 5000}
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "nanogpt_cpu": _SHAKESPEARE,
    "shakespeare_cpu": {
        **_SHAKESPEARE,
        "model.positions": "rotary",
        "model.norm": "rms_norm",
        "model.activation": "relu_squared",
        "model.qk_norm": True,
        "model.tied": False,
        "optimizer.rate": 4e-3,
        "optimizer.final_share": 0.0,
    },
    "nanogpt_gpu": {**_SHAKESPEARE, **_WIDER, **_LONGER, "model.dropout": 0.2},
}


def name_of(config: Any, default: Any) -> str:
    """Which of `RECIPES` a launcher's config is, whatever the seed; "" for none.

    Args:
      config: of the run.
      default: what the launcher takes when no flag is given.
    """
    asked, usual = (dict(leaves(each, learned_only=True)) for each in (config, default))
    asked["train.seed"] = usual["train.seed"]
    other = {name: asked[name] for name in usual if asked[name] != usual[name]}
    return next((name for name, fields in RECIPES.items() if fields == other), "")
