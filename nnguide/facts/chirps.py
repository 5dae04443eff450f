"""Millions of nearly perpendicular vectors by construction: chirps.

For an odd prime p, the chirps x_ab(t) = exp(2 pi i (a t^2 + b t) / p) / sqrt(p), for
all a and b, and the p axes have scalar products of modulus 1/sqrt(p) or 0: Gauss sums.
Read as real vectors, with i times each beside it, they are 2 p (p+1) vectors in 2p
dimensions, every |cos| at most 1/sqrt(p).

Source: Alltop 1980, "Complex sequences with low periodic correlations"; mutually
unbiased bases, Wootters and Fields 1989.
"""

import numpy as np
from jaxtyping import Float, Int


def is_odd_prime(number: int) -> bool:
    """Whether chirps of this length are nearly perpendicular."""
    divisors = range(3, int(number**0.5) + 1, 2)
    return number > 2 and number % 2 == 1 and all(number % d for d in divisors)


def count(p: int) -> int:
    """How many vectors the construction has in 2p dimensions."""
    return 2 * p * (p + 1)


def vectors(p: int, numbers: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N D"]:
    """The real vectors with these numbers, of length 1.

    Phases are whole multiples of 2 pi / p, reduced exactly before any sine.

    Args:
      p: an odd prime below 2**20.
      numbers: from 0 to `count(p)` - 1; the second half is i times the first.
    """
    turned, line = np.divmod(numbers.astype(np.int64), p * (p + 1))
    a, b = np.divmod(line, p)
    t = np.arange(p, dtype=np.int64)
    phase = (a[:, None] * (t * t % p)[None] + b[:, None] * t[None]) % p
    complex_rows = _roots(p)[phase] / np.sqrt(p)
    is_axis = a == p
    complex_rows[is_axis] = b[is_axis, None] == t[None]
    complex_rows[turned == 1] *= 1j
    return np.concatenate([complex_rows.real, complex_rows.imag], axis=1)


def _roots(p: int) -> np.ndarray:
    return np.exp(2j * np.pi * np.arange(p) / p)


def gauss_sums(p: int, chunk: int = 256) -> tuple[float, float]:
    """Measures all scalar products of two chirps of different a.

    They depend on the differences of a and of b alone, so p (p-1) sums speak for all
    p^3 (p-1) pairs; one Fourier transform gives the sums of all differences of b.

    Args:
      p: an odd prime below 2**20.
      chunk: differences of a at a time.

    Returns:
      The largest |cos| of the real vectors, turned by i or not, and the smallest
      modulus of the sums; both are 1/sqrt(p) but for rounding.
    """
    t = np.arange(p, dtype=np.int64)
    roots, square = _roots(p), t * t % p
    largest, smallest = 0.0, 1.0
    for start in range(1, p, chunk):
        a = np.arange(start, min(start + chunk, p))
        sums = np.fft.fft(roots[a[:, None] * square[None] % p]) / p
        largest = max(largest, abs(sums.real).max(), abs(sums.imag).max())
        smallest = min(smallest, abs(sums).min())
    return float(largest), float(smallest)
