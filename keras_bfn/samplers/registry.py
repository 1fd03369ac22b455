"""Samplers by name."""

from keras_bfn._validation import resolve_identifier
from keras_bfn.samplers.ode import ODE1Sampler, ODE2Sampler
from keras_bfn.samplers.sampler import Sampler
from keras_bfn.samplers.sde import AncestralSampler, SDE1Sampler, SDE2Sampler

SAMPLERS = {
    "ancestral": AncestralSampler,
    "sde1": SDE1Sampler,
    "sde2": SDE2Sampler,
    "ode1": ODE1Sampler,
    "ode2": ODE2Sampler,
}
WITH_DEFAULTS = {name: made() for name, made in SAMPLERS.items()}


def get(identifier):
    """Returns the sampler that `identifier` names.

    Args:
        identifier: a `Sampler` or a string: `"ancestral"`, `"sde1"`, `"sde2"`, `"ode1"`, `"ode2"`.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: if `identifier` is neither; the message lists the known names.

    Example:

    >>> keras_bfn.samplers.get("sde2").end
    'mode'
    """
    return resolve_identifier("sampler", identifier, Sampler, WITH_DEFAULTS)
