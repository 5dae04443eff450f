"""Extending a run: the same config with a larger number of steps.

An extended run must equal an uninterrupted run with the larger number. The learning
rates of the steps trained so far must therefore be the same under both numbers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nnguide import training
from nnguide.config import InputError, groups
from nnguide.training import OptimizerConfig
from nnguide.training.checkpoint import Checkpoints, Retention
from nnguide.training.optimizer import same_rates


class _Training(NamedTuple):
    """A training of a launcher.

    Attributes:
      folder: its folder in the workdir.
      schedule: the flag of its learning-rate schedule.
      optimizer: its optimizer's config.
    """

    folder: str
    schedule: str
    optimizer: OptimizerConfig


def is_extension(
    config: Any, different: dict[str, tuple[Any, Any]], workdir: Path
) -> bool:
    """Whether a run may continue with a config that differs from its own.

    Args:
      config: the requested config.
      different: flag -> (saved, requested), from `nnguide.config.differences`.
      workdir: the run's folder.

    Returns:
      True if only numbers of steps differ and all of them can be extended; False if
      other fields differ.

    Raises:
      InputError: only numbers of steps differ, but one of them cannot be extended.
    """
    trainings = dict(_trainings(config))
    if not different.keys() <= trainings.keys():
        return False
    for flag, (old, new) in different.items():
        _check(flag, trainings[flag], old, new, workdir)
    return True


def _trainings(config: Any) -> Iterator[tuple[str, _Training]]:
    """Yields the steps flag and the training of each optimizer in a config.

    A training is a group with an `OptimizerConfig` and a `training.Config` in it.
    """
    for prefix, group in groups(config):
        fields = vars(group)
        for name, optimizer in fields.items():
            if isinstance(optimizer, OptimizerConfig):
                found = _Training(
                    prefix.removesuffix("."), f"{prefix}{name}.schedule", optimizer
                )
                for other, value in fields.items():
                    if isinstance(value, training.Config):
                        yield f"{prefix}{other}.steps", found


def _check(flag: str, found: _Training, old: Any, new: int, workdir: Path) -> None:
    """Raises InputError if a training cannot be extended from old to new steps."""
    folder = workdir / found.folder
    trained = _trained(folder)
    if not trained:
        return
    remedy = "name another --workdir, or --restart."
    if not isinstance(old, int) or new < old:
        raise InputError(f"--{flag}={new}: {folder} has a run of {old} steps; {remedy}")
    if not same_rates(found.optimizer, old, new, trained):
        raise InputError(
            f"--{flag}={new}: the learning rates of the {trained} steps trained in "
            f"{folder} depend on the number of steps, {old} (--{found.schedule}="
            f"{found.optimizer.schedule}); {remedy}"
        )
    if (folder / "checkpoints").is_dir():
        for later in folder.glob("*/**/checkpoints"):
            raise InputError(
                f"--{flag}={new}: {later.parent} was trained from the model of {old} "
                f"steps; {remedy}"
            )


def _trained(folder: Path) -> int:
    """The newest step saved in a training's folder, or else in its subfolders."""
    if (folder / "checkpoints").is_dir():
        folders = [folder]
    else:
        folders = [path.parent for path in folder.glob("*/checkpoints")]
    steps = [Checkpoints(each, Retention()).steps() for each in folders]
    return max((step for each in steps for step in each), default=0)
