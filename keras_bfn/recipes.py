"""Optimizers that train small networks in few steps, with their schedules and settings."""

import keras

from keras_bfn._validation import check_int, check_positive

# Names of layers in `keras_bfn.networks` whose kernels Muon should not treat as matrices.
NOT_MATRICES = ("projection", "time_dense", "jump_dense", "modulate", "condition")


def adamw(
    num_steps: int | None = None, peak_rate: float = 1e-3, **options
) -> keras.optimizers.AdamW:
    """AdamW with a rising and falling learning rate, clipped gradients, and averaged weights.

    Weights are averaged over about the last fifteenth of the steps: see
    `keras_bfn.BayesianFlowNetwork.averaged_weights`.

    Args:
        num_steps: int or None. The number of training steps. The rate rises over the first tenth of
            them, at most 200, and falls to zero at the last. With None, the rate is constant, for
            `keras_bfn.callbacks.TimeBudget` to set, and weights are averaged over about 200 steps.
        peak_rate: positive float. The highest learning rate.
        **options: arguments of `keras.optimizers.AdamW`.

    Returns:
        A `keras.optimizers.AdamW`.

    Raises:
        ValueError: if an argument is out of its range.

    Example, for 20 epochs of 100 batches:

    >>> model.compile(keras_bfn.recipes.adamw(20 * 100))
    """
    rate = _rise_and_fall(num_steps, peak_rate)
    own = {"beta_2": 0.98, "weight_decay": 0.01, "clipnorm": 1.0, **_average(num_steps)}
    return keras.optimizers.AdamW(rate, **{**own, **options})


def muon(num_steps: int | None = None, peak_rate: float = 7e-3, **options) -> keras.optimizers.Muon:
    """Muon for the matrices of blocks, AdamW for all other weights, at the same rate.

    The schedule of the rate and the averaging of weights are those of `adamw`.

    Muon adds a time per step that depends on the matrices, not on the batch. It suits networks that
    use each weight at many positions, such as transformers and convolutions. It learns more per
    step than AdamW.

    Args:
        num_steps, peak_rate: as in `adamw`.
        **options: arguments of `keras.optimizers.Muon`, such as `exclude_layers`, for networks
            whose first and last layers have other names than those of this package.

    Returns:
        A `keras.optimizers.Muon`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> model.compile(keras_bfn.recipes.muon(num_steps=2000))

    Reference: [Jordan et al., 2024](https://kellerjordan.github.io/posts/muon).
    """
    rate = _rise_and_fall(num_steps, peak_rate)
    own = {
        "adam_beta_2": 0.98,
        "weight_decay": 0.01,
        "adam_weight_decay": 0.01,
        "exclude_layers": list(NOT_MATRICES),
        **_average(num_steps),
    }
    return keras.optimizers.Muon(rate, **{**own, **options})


def _rise_and_fall(num_steps, peak_rate):
    check_positive("peak_rate", peak_rate)
    if num_steps is None:
        return peak_rate
    num_steps = check_int("num_steps", num_steps, 1)
    warmup = min(200, num_steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0, num_steps - warmup, warmup_target=peak_rate, warmup_steps=warmup
    )


def _average(num_steps):
    momentum = 0.995 if num_steps is None else max(0.9, min(0.999, 1 - 15 / num_steps))
    return {"use_ema": True, "ema_momentum": momentum}
