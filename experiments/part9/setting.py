"""What every study of part 9 is given."""

from pathlib import Path
from typing import NamedTuple

from nnguide.diffusion.guidance import GuidanceConfig
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.plots.style import Theme


class Setting(NamedTuple):
    """What is random, where results go, and how samples are drawn.

    Attributes:
      seed: of all that is random.
      workdir: of the run; each training has a sub-folder.
      theme: of the pictures.
      sampler: how noise becomes a sample.
      guidance: how far samples follow their condition.
    """

    seed: int
    workdir: Path
    theme: Theme
    sampler: SamplerConfig = SamplerConfig()
    guidance: GuidanceConfig = GuidanceConfig()
