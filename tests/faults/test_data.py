"""A worker of the data dies: one line that says so, exit status 1, no hang."""

import numpy as np
import pytest
import toy

from experiments import border
from nnguide import training
from nnguide.data.batches import Batches, shuffled
from nnguide.data.host import through_grain

LAST = 13  # the step whose data are gone


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(5, "Input/output error"), "OSError: [Errno 5] Input/output error"),
        (RuntimeError("bad record\nin a file"), "RuntimeError: bad record"),
    ],
)
def test_the_run_ends_in_one_line_and_goes_on_when_the_data_are_back(
    tmp_path, capfd, error, says
):
    mended = False
    stream = shuffled(toy.SIZE, toy.BATCH, seed=0)
    broken = stream.at(LAST)

    def gather(rows):
        if not mended and np.array_equal(rows, broken):
            raise error
        return {"x": toy.INPUTS[rows], "y": toy.TARGETS[rows]}

    def fit(workdir):
        return training.fit(
            toy.TASK,
            training.make_optimizer(toy.PLAIN, 40),
            Batches(through_grain(stream, gather), lambda _, rows, key: rows),
            toy.config(evaluate_every=0),
            workdir=workdir,
        )

    with pytest.raises(SystemExit) as end, border.one_line_errors():
        fit(tmp_path / "run")
    assert end.value.code == 1
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"error: the data of step {LAST} cannot be read ({says})")
    mended = True
    resumed, straight = fit(tmp_path / "run"), fit(None)
    assert toy.gap(resumed.state.params, straight.state.params) == 0
    assert resumed.history == straight.history
