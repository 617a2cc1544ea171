"""A sum that keeps what a plain sum loses."""

from __future__ import annotations

import numpy as np

from .errors import Array

EPS = float(np.finfo(float).eps)  # neighbouring floats are at most this far apart, relative
TINY = float(np.finfo(float).tiny)  # the least float with all its digits
WIDTH = 65_536  # terms added at once: they stay in cache


def exact_sum(terms: Array) -> tuple[Array, Array]:
    """Sum over the last axis in twice the working precision, as an unevaluated pair high + low.

    Parts that fit the cache are added to each other, and then the halves of what they make, each with its exact rounding error (Knuth's
    two-sum).

    Parameters
    ----------
    terms : ndarray, shape (..., n)

    Returns
    -------
    high, low : ndarray, shape (...)
    """
    high, low = _folded(terms) if terms.shape[-1] > 2 * WIDTH else (terms, np.zeros_like(terms))
    while high.shape[-1] > 1:
        half = high.shape[-1] // 2
        a, b, odd = high[..., :half], high[..., half : 2 * half], high[..., 2 * half :]
        total = a + b
        part = total - a
        error = (a - (total - part)) + (b - part)
        error += low[..., :half]
        error += low[..., half : 2 * half]
        high, low = (
            (total, error) if not odd.shape[-1] else _carry(total, error, odd, low[..., 2 * half :])
        )
    return high[..., 0], low[..., 0]


def _folded(terms: Array) -> tuple[Array, Array]:
    """Sums of every `WIDTH`-th term."""
    high, low = (np.zeros((*terms.shape[:-1], WIDTH)) for _ in range(2))
    for i in range(0, terms.shape[-1], WIDTH):
        part = terms[..., i : i + WIDTH]
        add_exactly(high[..., : part.shape[-1]], low[..., : part.shape[-1]], part)
    return high, low


def _carry(total: Array, error: Array, odd: Array, odd_low: Array) -> tuple[Array, Array]:
    return np.concatenate([total, odd], axis=-1), np.concatenate([error, odd_low], axis=-1)


def add_exactly(high: Array, low: Array, terms: Array) -> None:
    """Add `terms` to the unevaluated pairs high + low, in place, entry by entry."""
    total = high + terms
    part = total - high
    rest = terms - part
    np.subtract(total, part, out=part)
    np.subtract(high, part, out=part)
    part += rest
    low += part
    high[...] = total


def exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Products and what rounding left out of them, entry by entry (Dekker's two-product); for factors below 1e150."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error: Array = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def _halves(number: Array) -> tuple[Array, Array]:
    """Parts of 26 bits each (Veltkamp)."""
    shifted = number * (2.0**27 + 1.0)
    high = shifted - (shifted - number)
    return high, number - high
