"""Sums and products with their rounding errors: twice the working precision."""

from __future__ import annotations

import math

import numpy as np

from .errors import Array

EPS = float(np.finfo(float).eps)  # largest relative distance between neighbouring floats
TINY = float(np.finfo(float).tiny)  # smallest float with all its digits
FEW_TERMS = 512  # numbers up to which `math.fsum` is faster than arrays
WIDTH = 65_536  # terms added at once, few enough to stay in the cache


def exact_sum(terms: Array) -> tuple[Array, Array]:
    """Sum over the last axis in twice the working precision, as an unevaluated pair high + low.

    Blocks that fit the cache are added to each other, then the halves of the result, each addition
    with its exact rounding error (Knuth's two-sum).

    Parameters
    ----------
    terms : ndarray, shape (..., n)

    Returns
    -------
    high, low : ndarray, shape (...)
    """
    if terms.ndim == 1 and terms.size <= FEW_TERMS:
        numbers = terms.tolist()
        total = sum(numbers)
        if math.isfinite(total) and math.isfinite(sum(map(abs, numbers))):
            total = math.fsum(numbers)  # faster than in arrays
            return np.array(total), np.array(math.fsum([*numbers, -total]))
    blocks = terms.shape[-1] > 2 * WIDTH
    high, low = _sum_of_blocks(terms) if blocks else (terms, np.zeros_like(terms))
    while high.shape[-1] > 1:
        half = high.shape[-1] // 2
        a, b, odd = high[..., :half], high[..., half : 2 * half], high[..., 2 * half :]
        total = a + b
        b_rounded = total - a
        error = (a - (total - b_rounded)) + (b - b_rounded)
        error += low[..., :half]
        error += low[..., half : 2 * half]
        if odd.shape[-1]:
            total = np.concatenate([total, odd], axis=-1)
            error = np.concatenate([error, low[..., 2 * half :]], axis=-1)
        high, low = total, error
    return high[..., 0], low[..., 0]


def _sum_of_blocks(terms: Array) -> tuple[Array, Array]:
    """Return the sums of every `WIDTH`-th term, as unevaluated pairs of shape (..., WIDTH)."""
    high, low = (np.zeros((*terms.shape[:-1], WIDTH)) for _ in range(2))
    for i in range(0, terms.shape[-1], WIDTH):
        block = terms[..., i : i + WIDTH]
        add_exactly(high[..., : block.shape[-1]], low[..., : block.shape[-1]], block)
    return high, low


def add_exactly(high: Array, low: Array, terms: Array) -> None:
    """Add `terms` to the unevaluated pairs high + low, in place, entry by entry."""
    total = high + terms
    buffer = total - high
    rest = terms - buffer
    np.subtract(total, buffer, out=buffer)
    np.subtract(high, buffer, out=buffer)
    buffer += rest
    low += buffer
    high[...] = total


def exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return products and their rounding errors, entry by entry, for factors below 1e150.

    Dekker's two-product.
    """
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error: Array = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def _halves(number: Array) -> tuple[Array, Array]:
    """Split numbers into two parts of 26 bits each (Veltkamp)."""
    shifted = number * (2.0**27 + 1.0)
    high = shifted - (shifted - number)
    return high, number - high
