"""Going back to the last good checkpoint and passing over the batches that broke.

The same batches would break the same parameters again, so after a rollback step i
trains on the batch that many places later; rollbacks.json keeps the count, so that a
resumed run passes over the same ones.

Source: Chowdhery et al., "PaLM", arXiv 2204.02311, section 5.1.
"""

import json
from pathlib import Path

from nnguide.results import write_whole

MOST = 5  # more, and something else than a batch is wrong


class Rollbacks:
    """The rollbacks of one run.

    Args:
      workdir: of the run.
    """

    def __init__(self, workdir: Path) -> None:
        self._path = workdir / "rollbacks.json"
        self._made: list[dict[str, int]] = []
        if self._path.exists():
            self._made = json.loads(self._path.read_text())

    def passed_over(self, step: int) -> int:
        """How many batches a run at this step has passed over so far."""
        return sum(
            m["failed"] - m["back_to"] for m in self._made if m["back_to"] <= step
        )

    @property
    def left(self) -> bool:
        """Whether one more may be made."""
        return len(self._made) < MOST

    def add(self, failed: int, back_to: int) -> None:
        """Keeps a rollback.

        Args:
          failed: the step whose loss was not finite.
          back_to: the step of the checkpoint.
        """
        self._made.append({"failed": failed, "back_to": back_to})
        write_whole(self._path, json.dumps(self._made) + "\n")
