"""One loop for every subject: a task of pure functions, batches, an optimizer.

`task` says what a subject must give, `step` is the pure step, `evaluation` a whole
set's, `loop.fit` the loop,
`optimizer` the Optax chains, `checkpoint` and `metrics` what a run leaves on the disk,
`seeds` trains many networks at once.
"""

from nnguide.training.loop import Config, Fit, NonFiniteLoss, fit
from nnguide.training.optimizer import (
    OptimizerConfig,
    averaged,
    make_optimizer,
    make_schedule,
)
from nnguide.training.seeds import over_seeds
from nnguide.training.step import State
from nnguide.training.task import Batches, Task

__all__ = [
    "Batches",
    "Config",
    "Fit",
    "NonFiniteLoss",
    "OptimizerConfig",
    "State",
    "Task",
    "averaged",
    "fit",
    "make_optimizer",
    "make_schedule",
    "over_seeds",
]
