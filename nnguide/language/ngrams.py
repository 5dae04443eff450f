"""Predicting the next token by counting: what a model must beat to have learned more.

An n-gram model has seen how often each token followed the n - 1 before it. Where it has
seen little it must ask the shorter model; Witten and Bell's rule says how much:

    P_n(w | h) = (c(h w) + d(h) P_n-1(w | h')) / (c(h) + d(h))

with c(h) the times the history h was seen, d(h) the number of different tokens that
followed it, and h' without its first token. P_0 is uniform. Nothing is tuned, and the
held-out text is never counted.

Sources: Witten and Bell 1991, "The zero-frequency problem"; Chen and Goodman 1998,
section 2.6.
"""

import numpy as np
from jaxtyping import Float, Int64, Integer


def probabilities(
    train: Integer[np.ndarray, " N"],
    heldout: Integer[np.ndarray, " M"],
    longest: int,
    vocabulary: int,
) -> Float[np.ndarray, "orders M"]:
    """What n-gram models gave each token of a held-out text, before it came.

    Args:
      train: the tokens that are counted.
      heldout: the tokens that are predicted.
      longest: n of the longest n-grams; 1 is counting single tokens.
      vocabulary: V, the number of token ids.

    Returns:
      Row n is the model that looks at n - 1 tokens; row 0 is uniform. A token with
      fewer tokens before it gets what the longest model that fits gives.

    Raises:
      ValueError: V to the power of `longest` does not fit into 63 bits.
    """
    if vocabulary**longest >= 2**63:
        raise ValueError(f"longest={longest}: {vocabulary}-token n-grams overflow.")
    rows = [np.full(len(heldout), 1 / vocabulary)]
    for n in range(1, longest + 1):
        row = rows[-1].copy()
        if n <= min(len(train), len(heldout)):
            shorter = row[n - 1 :]
            row[n - 1 :] = _interpolated(
                _codes(train, n, vocabulary),
                _codes(heldout, n, vocabulary),
                vocabulary,
                shorter,
            )
        rows.append(row)
    return np.stack(rows)


def _codes(tokens: np.ndarray, n: int, vocabulary: int) -> Int64[np.ndarray, " places"]:
    """Every n tokens in a row as one number, the last token as its last digit."""
    count = len(tokens) - n + 1
    codes = np.zeros(count, np.int64)
    for place in range(n):
        codes = codes * vocabulary + tokens[place : place + count]
    return codes


def _interpolated(
    seen: np.ndarray, asked: np.ndarray, vocabulary: int, shorter: np.ndarray
) -> np.ndarray:
    """The rule above for every n-gram in `asked`."""
    grams, counts = np.unique(seen, return_counts=True)
    histories, starts = np.unique(grams // vocabulary, return_index=True)
    c_history = np.add.reduceat(counts, starts)
    d_history = np.diff(starts, append=len(grams))
    c_gram = _look_up(grams, counts, asked)
    c = _look_up(histories, c_history, asked // vocabulary)
    d = _look_up(histories, d_history, asked // vocabulary)
    known = c > 0
    return np.where(known, (c_gram + d * shorter) / np.where(known, c + d, 1), shorter)


def _look_up(keys: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The value of each asked key, 0 where the key is not there; keys ascend."""
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[places] == asked, values[places], 0)
