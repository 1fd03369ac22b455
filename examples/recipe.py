"""The optimizers that the examples train small models with."""

import keras

# By their names in `keras_bfn.networks`: all that Muon should not see as matrices.
NOT_MATRICES = ["projection", "time_dense", "modulate", "condition"]


def adamw(steps, peak_rate=1e-3):
    """AdamW with a rate that rises and falls, clipped gradients, and averaged weights.

    Args:
        steps: int. The number of training steps that there will be.
        peak_rate: float. The highest learning rate.
    """
    return keras.optimizers.AdamW(
        rise_and_fall(steps, peak_rate),
        beta_2=0.98,
        weight_decay=0.01,
        clipnorm=1.0,
        **average(steps),
    )


def muon(steps, peak_rate=7e-3):
    """Muon for the matrices of blocks, and AdamW for all else, with the same rate; as `adamw`.

    Its price is the matrices', paid once a step whatever the batch: it is for networks that use
    each weight at many places, and so take long for a step in any case.
    """
    return keras.optimizers.Muon(
        rise_and_fall(steps, peak_rate),
        adam_beta_2=0.98,
        weight_decay=0.01,
        adam_weight_decay=0.01,
        exclude_layers=NOT_MATRICES,
        **average(steps),
    )


def rise_and_fall(steps, peak_rate):
    """A learning rate that rises for a tenth of the steps at most, and then falls to zero."""
    warmup = min(200, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak_rate, warmup_steps=warmup
    )


def average(steps):
    """Options of an optimizer that averages weights over the last fifteenth of the steps."""
    return {"use_ema": True, "ema_momentum": max(0.9, min(0.999, 1 - 15 / steps))}
