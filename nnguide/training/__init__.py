"""One loop for every subject: a task of pure functions, batches, an optimizer.

`task` says what a subject must give, `step` is the pure step, `evaluation` a whole
set's, `loop.fit` the loop, `alternating` the loop for data that the parameters make,
`optimizer` the Optax chains, `checkpoint` and `metrics` what a run leaves on the disk,
`seeds` trains many networks at once.
"""

from nnguide.training.alternating import Rounds, fit_alternating
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
    "Rounds",
    "State",
    "Task",
    "averaged",
    "fit",
    "fit_alternating",
    "make_optimizer",
    "make_schedule",
    "over_seeds",
]
