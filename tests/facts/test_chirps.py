"""Gauss sums, as vectors."""

import math

import numpy as np
import pytest

from nnguide.facts import chirps
from nnguide.facts.near_orthogonal import pairs


@pytest.mark.smoke
@pytest.mark.parametrize("p", [3, 7, 11, 23])
def test_every_pair_is_within_the_bound(p):
    vectors = chirps.vectors(p, np.arange(chirps.count(p)))
    assert vectors.shape == (2 * p * (p + 1), 2 * p)
    products = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(products), 1)
    off = abs(products - np.eye(len(products)))
    assert off.max() == pytest.approx(p**-0.5)
    assert 90 - pairs(vectors).closest == pytest.approx(
        math.degrees(math.asin(p**-0.5))
    )


def test_sums_of_differences_speak_for_all_pairs():
    for p in (5, 13):
        largest, smallest = chirps.gauss_sums(p, chunk=3)
        assert largest == pytest.approx(p**-0.5)
        assert smallest == pytest.approx(p**-0.5)
    # where p is no prime, the sums are not all small
    assert chirps.gauss_sums(9)[0] > 0.5


def test_phases_are_exact_at_the_large_prime():
    p = 6143
    assert chirps.count(p) == 75_485_184
    last = (p - 1) * p + p - 1  # a = b = p - 1: phases -(t^2 + t)
    ((*vector,),) = chirps.vectors(p, np.array([last]))
    t = p - 1
    turn = -2 * math.pi * ((t * t + t) % p) / p
    assert vector[t] == pytest.approx(math.cos(turn) / math.sqrt(p), abs=1e-15)
    assert vector[p + t] == pytest.approx(math.sin(turn) / math.sqrt(p), abs=1e-15)


def test_odd_primes():
    found = [number for number in range(30) if chirps.is_odd_prime(number)]
    assert found == [3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert chirps.is_odd_prime(6143)
