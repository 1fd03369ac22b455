"""What sampling returns, where more than the samples is asked for."""

from typing import Any, NamedTuple


class GenerationResult(NamedTuple):
    """Samples, and how they came about: what `generate` and `inpaint` return with `return_details`.

    Attributes:
        samples: what is returned without details: an array of shape `(num_samples, *event_shape)`,
            or a dict of the parts'.
        trajectory: a `keras_bfn.Prediction`, or a dict of the parts' predictions: its `t` has the
            shape `(num_steps + 1,)`, and `s`, `theta` and `params` have an axis of `num_steps + 1`
            before all others. A sampler with `end="last"` makes one prediction less. None with
            particles.
        log_likelihood: `(num_samples,)`, in nats, the logarithm of an unbiased estimate of E[L],
            the mean of the likelihood over what the model draws. Of `inpaint`, it is that of the
            probability (or density) that the model gives to the known variables, times the
            likelihood of a `guidance`. Like all that follows, None without particles.
        effective_sample_size: `(num_steps + 1, num_samples)`, of 1 to `num_particles`, at each step
            before particles are drawn anew.
        particles: all of them, `(num_samples, num_particles, *event_shape)`, or a dict of the
            parts' that are drawn.
        log_weights: those of the particles, `(num_samples, num_particles)`.

    Example:

    >>> result = model.generate(2, num_steps=3, return_details=True)
    >>> [result.samples.shape, result.trajectory.t.shape, result.trajectory.params.shape]
    [(2, 4, 4, 1), (4,), (4, 2, 4, 4, 1, 1)]
    """

    samples: Any
    trajectory: Any = None
    log_likelihood: Any = None
    effective_sample_size: Any = None
    particles: Any = None
    log_weights: Any = None
