"""What every study of part 9 is given."""

from pathlib import Path
from typing import NamedTuple

from nnguide.plots.style import Theme


class Setting(NamedTuple):
    """What is random, and where results go.

    Attributes:
      seed: of all that is random.
      workdir: of the run; each training has a sub-folder.
      theme: of the pictures.
    """

    seed: int
    workdir: Path
    theme: Theme
