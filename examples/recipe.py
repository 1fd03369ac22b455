"""The optimizer that the examples train small models with."""

import keras


def small_optimizer(steps, peak_rate=1e-3):
    """AdamW with a rate that rises and falls, clipped gradients, and averaged weights.

    Args:
        steps: int. The number of training steps that there will be.
        peak_rate: float. The highest learning rate.
    """
    warmup = min(200, steps // 10)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak_rate, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(
        learning_rate,
        beta_2=0.98,
        weight_decay=0.01,
        clipnorm=1.0,
        use_ema=True,
        # The average of the last fifteenth of the steps.
        ema_momentum=max(0.9, min(0.999, 1 - 15 / steps)),
    )
