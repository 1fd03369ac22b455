"""Measures of ForestDiffusion's comparison of tables: hidden cells, errors, and distances of rows.

A table is an array of floats whose last column is a class. Its *points* have numbers from 0 to 1
and halves at the class, so that the L1 distance of two rows is that of Gower, times the number of
columns.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_matrix
from scipy.spatial.distance import cdist

PHILOX = ((0xD2511F53, 0x9E3779B9), (0xCD9E8D57, 0xBB67AE85))  # multipliers, increments of keys


def random_cells(shape, seed):
    """Returns the uniform numbers of `torch.rand(shape)` in float64 on a GPU, after `seed`.

    The published masks are drawn there. The generator is Philox 4x32-10: cell i is the first number
    of stream i.
    """
    index = np.arange(np.prod(shape), dtype="uint64")
    zero, low = np.zeros_like(index), np.uint64(2**32 - 1)
    a, b, c, d = zero, zero, index, zero
    keys = [seed, 0]
    for _ in range(10):
        one, other = a * np.uint64(PHILOX[0][0]), c * np.uint64(PHILOX[1][0])
        first, second = map(np.uint64, keys)
        a, b = (other >> np.uint64(32)) ^ b ^ first, other & low
        c, d = (one >> np.uint64(32)) ^ d ^ second, one & low
        keys = [(key + PHILOX[i][1]) % 2**32 for i, key in enumerate(keys)]
    bits = a ^ (b << np.uint64(21))
    return ((bits + 0.5) * 2.0**-53).reshape(shape)


def to_points(rows, train):
    """Returns rows as points, in the ranges of the rows `train`."""
    low, high = train[:, :-1].min(axis=0), train[:, :-1].max(axis=0)
    classes = rows[:, -1:] == np.unique(train[:, -1])
    return np.concatenate([(rows[:, :-1] - low) / (high - low), 0.5 * classes], axis=1)


def transport_distance(some, others):
    """Returns the Wasserstein-1 distance of two sets of points, by L1 distances between points."""
    cost = cdist(some, others, "cityblock")
    if len(some) == len(others):
        return cost[linear_sum_assignment(cost)].mean()
    num, num_others = cost.shape
    cells = np.arange(cost.size)
    sums = np.concatenate([cells // num_others, num + cells % num_others])
    matrix = coo_matrix((np.ones(2 * cost.size), (sums, np.tile(cells, 2))))
    masses = np.repeat([1 / num, 1 / num_others], [num, num_others])
    return linprog(cost.ravel(), A_eq=matrix.tocsr(), b_eq=masses, method="highs").fun


def absolute_errors(points, imputed, num_hidden):
    """Returns `MinMAE` and `AvgMAE` of imputations: absolute errors per hidden cell.

    Args:
        points: array of shape `(num, dim)`: the true rows.
        imputed: array of shape `(num_draws, num, dim)`: the same rows, imputed several times.
        num_hidden: int. The number of cells that were hidden.

    Returns:
        The error of each row's best draw, and the mean error of the draws.
    """
    errors = np.abs(imputed - points).sum(axis=-1)
    return errors.min(axis=0).sum() / num_hidden, errors.mean(axis=0).sum() / num_hidden
