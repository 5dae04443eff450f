"""What the study of a small GPT's facts claims."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.part8 import editing
from nnguide.facts.people import ROLES
from nnguide.facts.tracing import PARTS
from nnguide.results import Band, Claim

LAST_NAME, LAST_TOKEN = ROLES.index("last name"), ROLES.index("last token")
STATE, MLP, ATTENTION = (PARTS.index(part) for part in ("state", "mlp", "attention"))


class Found(NamedTuple):
    """What was measured on a model.

    Attributes:
      recall: share of all facts, in all wordings, that it answers right.
      total: average total effect of the noise, a probability.
      shares: average indirect effects over it.
    """

    recall: float
    total: float
    shares: Float[np.ndarray, "parts L roles"]


_ROME = "Meng et al., arXiv 2202.05262"
# name, statement, where it holds, where a correct implementation lands, unit, source
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "recall", "a small GPT knows what 1,000 people play, for whom, where they live",
        (0.99, 1), (0.995, 1), "of 3,000 facts in 3 wordings", "3Blue1Brown, MLP",
    ),
    (
        "total_effect", "noise of 3 sigma on the name takes the answer away",
        (0.1, 1), (0.8, 1), "of probability",
        f"{_ROME}: 18.6% in GPT-2 XL, which is less sure of its facts",
    ),
    (
        "before", "the token before the name holds nothing of the answer",
        (0, 1e-4), (0, 1e-4), "largest share of the total effect",
        "the mask: it sees neither name",
    ),
    (
        "early_mlp", "first, the MLP at the last token of the name looks the answer up",
        (1, None), (2, None), "its share over that of any other token, layer 1",
        f"{_ROME}, figure 2",
    ),
    (
        "mlp_or_attention", "it is the MLP there, not attention",
        (1, None), (0.9, 4), "its share over attention's, last name, layer 1",
        f"{_ROME}: 6.6% against 1.6% in GPT-2 XL; here attention has to bring the "
        "first name",
    ),
    (
        "late_attention", "later attention brings the answer to the last token",
        (1, None), (1.3, 20), "its share over the MLP's, last token, layer 2",
        f"{_ROME}, figure 2",
    ),
    (
        "one_vector", "one vector at the last name holds the answer",
        (0.9, 1), (0.3, 0.85), "share of the total effect, state after layer 1",
        f"{_ROME}: 8.7% of 18.6% in GPT-2 XL",
    ),
    (
        "without_asides", "and it does so whatever the text is like",
        (0.9, 1.1), (0.05, 0.75),
        "the same share without asides over that with them",
        "measured: where nothing is told right after a name, less is looked up there",
    ),
    (
        "edit_score",
        "a rank-one edit where tracing points changes the fact, and no neighbour's",
        (0.892, 1), (0.9, 1), "S: efficacy, paraphrase, neighbourhood",
        f"{_ROME}: S 89.2 on GPT-2 XL, by the likelier of two answers",
    ),
    (
        "edit_other_facts", "and leaves what else is known of the person",
        (0.9, 1), (0.1, 0.85), "right answers to other relations",
        "measured: one vector holds all three facts, and the edit moves it",
    ),
    (
        "edit_fine_tuning", "fine-tuning the same matrix spoils the neighbours",
        (None, 0.9), (0.15, 0.8), "right answers about neighbours",
        f"{_ROME}: S 66.9 for constrained fine-tuning",
    ),
    (
        "edit_where", "tracing tells where to edit",
        (0, None), (-0.8, -0.03), "all four scores there less the best elsewhere",
        "Hase et al., arXiv 2301.04213: it does not",
    ),
)  # fmt: skip


def claims(
    found: Found,
    without_asides: Found,
    scores: Float[np.ndarray, "methods L tests"],
    scored: bool,
) -> list[Claim]:
    """The claims of the study.

    Args:
      found: on the GPT whose text has asides.
      without_asides: on the other.
      scores: of edits of the first.
      scored: whether the run has the default sizes.
    """
    shares, mlp = found.shares, found.shares[MLP, 0, LAST_NAME]
    other = without_asides.shares
    first_mlp, together = (
        shares[MLP, 0],
        editing.together(scores[: len(editing.PLACES)]),
    )
    others = np.delete(first_mlp, LAST_NAME)
    tuning = editing.METHODS.index("fine-tuning")
    measured = {
        "recall": found.recall,
        "total_effect": found.total,
        "before": np.abs(shares[:, :, 0]).max(),
        "early_mlp": mlp / others.max(),
        "mlp_or_attention": mlp / shares[ATTENTION, 0, LAST_NAME],
        "late_attention": shares[ATTENTION, 1, LAST_TOKEN] / shares[MLP, 1, LAST_TOKEN],
        "one_vector": shares[STATE, 0, LAST_NAME],
        "without_asides": other[STATE, 0, LAST_NAME] / shares[STATE, 0, LAST_NAME],
        "edit_score": editing.together(scores[0, 0, :3]),
        "edit_other_facts": scores[0, 0, 3],
        "edit_fine_tuning": scores[tuning, 0, 2],
        "edit_where": together[0, 0] - together.reshape(-1)[1:].max(),
    }
    return [
        Claim(
            f"8.facts_{name}", statement, float(measured[name]), stated, expected,
            source, unit=unit, needs="" if name == "before" else "the default sizes",
            scored=scored or name == "before",
        )
        for name, statement, stated, expected, unit, source in _CLAIMS
    ]  # fmt: skip
