"""Going on with a finished run: the same config, but for more steps.

The result is what a straight run of the larger number gives, so that the steps trained
so far must have had the rates that the larger number gives them.
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
    """A training of a launcher: its folder in the workdir, the flag of its schedule."""

    folder: str
    schedule: str
    optimizer: OptimizerConfig


def is_extension(
    config: Any, different: dict[str, tuple[Any, Any]], workdir: Path
) -> bool:
    """Whether a workdir's run may go on with a config that differs from its own.

    Args:
      config: the one asked for.
      different: as `nnguide.config.differences` gives it.
      workdir: of the run.

    Returns:
      True where nothing but numbers of steps differs and all can be extended, False
      where other fields differ.

    Raises:
      InputError: nothing but numbers of steps differs, but one cannot be extended.
    """
    trainings = dict(_trainings(config))
    if not different.keys() <= trainings.keys():
        return False
    for flag, (old, new) in different.items():
        _check(flag, trainings[flag], old, new, workdir)
    return True


def _trainings(config: Any) -> Iterator[tuple[str, _Training]]:
    """The flag of each number of steps that stands beside its optimizer's config."""
    for prefix, group in groups(config):
        fields = vars(group)
        for name, optimizer in fields.items():
            if isinstance(optimizer, OptimizerConfig):
                found = _Training(prefix[:-1], f"{prefix}{name}.schedule", optimizer)
                for other, value in fields.items():
                    if isinstance(value, training.Config):
                        yield f"{prefix}{other}.steps", found


def _check(flag: str, found: _Training, old: Any, new: int, workdir: Path) -> None:
    folder = workdir / found.folder
    trained = _trained(folder)
    if not trained:
        return
    remedy = "name another --workdir, or --restart."
    if not isinstance(old, int) or new < old:
        raise InputError(f"--{flag}={new}: {folder} has a run of {old}; {remedy}")
    if not same_rates(found.optimizer, old, new, trained):
        raise InputError(
            f"--{flag}={new}: the {trained} steps trained in {folder} had rates that "
            f"depend on their number, {old} (--{found.schedule}="
            f"{found.optimizer.schedule}); {remedy}"
        )
    if (folder / "checkpoints").is_dir():
        for later in folder.glob("*/**/checkpoints"):
            raise InputError(
                f"--{flag}={new}: {later.parent} was trained from the model of {old} "
                f"steps; {remedy}"
            )


def _trained(folder: Path) -> int:
    """The newest step saved in a training's folder, or else in those it holds."""
    own = folder if (folder / "checkpoints").is_dir() else None
    places = [own] if own else [path.parent for path in folder.glob("*/checkpoints")]
    steps = [Checkpoints(place, Retention()).steps() for place in places]
    return max((step for each in steps for step in each), default=0)
