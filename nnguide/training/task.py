"""What the loop is given: a task of pure functions, and batches."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable


class Task(NamedTuple):
    """A subject as three pure functions; it knows no device and no axis name.

    A batch is a dict of arrays that lead with the batch axis B. Training adds
    `weight` (B,), 1 for an example that counts and 0 for padding, and `example` (B,),
    the example's place in the global batch: noise keyed by `fold_in(key, example)` is
    the same on one device, on eight and under accumulation. (Dropout, which may differ,
    folds in `batch["example"][0]`, which tells shards apart.)

    Attributes:
      init: key -> params, boxed with logical axis names or not.
      loss: params, batch, key, **frozen -> ((total, weight), metrics). The total is a
        sum over what counts and the weight its number: the step divides once, over all
        microbatches and devices. Metrics are {name: (total, weight)} too.
      evaluate: params, batch, key, **frozen -> metrics.
    """

    init: Callable[..., Any]
    loss: Callable[..., Any]
    evaluate: Callable[..., Any]


@runtime_checkable
class Batches(Protocol):
    """The data, as `nnguide.data.Batches` makes it; only its shape is known here."""

    @property
    def stream(self) -> Any:
        """First step -> iterator over rows of that step, of the next and so on."""
        ...

    @property
    def assemble(self) -> Any:
        """Arrays, rows, key -> batch; traced inside the step."""
        ...

    @property
    def arrays(self) -> Any:
        """Data that live on the devices; an argument of the step, never a constant."""
        ...
