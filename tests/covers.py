"""How often confidence intervals of 99 % must cover: the bounds that tests of coverage share."""

from scipy.stats import binom

TRUE = 0.98  # least true coverage of an interval of 99 % from batches of a long enough run
ALARM = 1e-5  # probability that one number misses its bound by chance


def check_coverage(inside):
    """Assert that intervals cover often enough; `inside` is a bool of shape (runs, numbers).

    All cases together: in 97.5 to 100 %. Each number, of which the runs are independent: as often
    as one of the least true coverage does but for one in 100,000 of such tests: 281 of 300 runs.
    """
    runs, hits = len(inside), inside.sum(axis=0)
    assert 0.975 <= inside.mean() <= 1.0, inside.mean()
    least = binom.ppf(ALARM, runs, TRUE)
    assert hits.min() >= least, (hits / runs, least / runs)
