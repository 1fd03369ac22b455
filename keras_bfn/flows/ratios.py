"""The log of an expected ratio, in float32, however little it differs from 0."""

from keras import ops

MOST_LOG_RATIO = 80.0  # whose exponential float32 holds


def log_expected_ratio(log_probs, log_ratios):
    """log sum_k p_k r_k, for shares p that add up to 1.

    Where the ratios are nearly 1, as they are of each of a million messages, it is told by
    sum_k p_k (r_k - 1): a logarithm of 1 plus that would keep few of its digits.

    Args:
        log_probs, log_ratios: tensors of shape `(..., K)`.

    Returns:
        A tensor of shape `(...)`.
    """
    growth = ops.expm1(ops.minimum(log_ratios, MOST_LOG_RATIO))
    growth = ops.sum(ops.exp(log_probs) * growth, axis=-1)
    is_small = ops.abs(growth) < 0.5
    return ops.where(
        is_small,
        ops.log1p(ops.where(is_small, growth, 0.0)),
        ops.logsumexp(log_probs + log_ratios, axis=-1),
    )
