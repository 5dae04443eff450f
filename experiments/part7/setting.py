"""What every study of part 7 is given."""

from pathlib import Path
from typing import NamedTuple

from nnguide.data.text import TextSource
from nnguide.plots.style import Theme


class Setting(NamedTuple):
    """The text, what is random, and where results go.

    Attributes:
      text: for the studies that read one; the others make their own sentences.
      seed: of all that is random.
      workdir: of the run; each training has a sub-folder.
      theme: of the pictures.
    """

    text: TextSource
    seed: int
    workdir: Path
    theme: Theme
