"""The contract of samplers."""

import itertools

import keras
import numpy as np
from keras import ops

from keras_bfn._validation import check_int, check_seed
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.samplers import Sampler
from keras_bfn.testing.claims import require, require_config, require_shape

JOINT_PRIOR = np.array([[0.25, 0.02, 0.03], [0.05, 0.2, 0.05], [0.02, 0.08, 0.3]])
NUM_SAMPLES = 8000


def check_sampler(sampler: Sampler, num_steps: int = 200, seed: int = 0) -> None:
    """Tests that a sampler satisfies its contract.

    It can be saved, and is immutable. Its times rise from `start` to 1; they repeat only if it
    predicts several times in a step. The same seed gives the same samples, another seed different
    ones. Its state keeps its shapes and dtypes. If it is deterministic, samples are a function of
    the latents, and data can be encoded. With the exact posterior of two dependent variables as the
    network, many steps sample their joint distribution, and few steps approximate it less well.

    The order of convergence and the distribution of the evidence on the way are not checked. A
    sampler that branches on the time in Python passes on PyTorch, and fails on JAX and TensorFlow.

    Args:
        sampler: a `keras_bfn.samplers.Sampler`.
        num_steps: int. The number of steps that must suffice.
        seed: int.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_sampler(keras_bfn.samplers.SDE1Sampler())
    """
    require_config(sampler, Sampler)
    check_int("num_steps", num_steps, 1)
    check_seed(seed)
    _check_times(sampler)
    _check_state(sampler)
    _check_joint_distribution(sampler, num_steps, seed)
    _check_seeds(sampler)


class PairPosterior(keras.layers.Layer):
    """A network for two dependent variables of three classes: the exact marginals of both."""

    def call(self, inputs):
        # Up to a constant common to all classes, the evidence is the logarithm of theta.
        s = ops.log(ops.maximum(inputs["theta"], 1e-30))
        log_prior = ops.convert_to_tensor(np.log(JOINT_PRIOR), "float32")
        log_joint = log_prior + s[:, 0, :, None] + s[:, 1, None, :]
        marginals = [ops.logsumexp(log_joint, axis=2), ops.logsumexp(log_joint, axis=1)]
        return ops.stack(marginals, axis=1)


def make_pair_model():
    """Returns a model whose network is `PairPosterior`."""
    return BayesianFlowNetwork(DiscreteFlow(3, 12.0), PairPosterior(), event_shape=(2,), seed=0)


def _check_times(sampler):
    name = type(sampler).__name__
    flows = (DiscreteFlow(3, 2.0), ContinuousFlow(0.1))
    for flow, num_steps in itertools.product(flows, (1, 2, 5)):
        times = np.asarray(sampler.times(flow, num_steps))
        claim = f"{name}.times for {num_steps} steps must have {num_steps} + 1 times, or, with k"
        claim = f"{claim} predictions in a step, k * {num_steps} + 1"
        are_steps = times.ndim == 1 and (times.size - 1) % num_steps == 0
        require(are_steps, f"{claim}. They have shape {times.shape}")
        start = sampler.starting_for(flow).start
        is_right = (times[0], times[-1]) == (np.float32(start), 1)
        rises = (np.diff(times) >= 0).all() and len(np.unique(times)) > num_steps
        claim = f"{name}.times must rise from start={start} to 1"
        require(is_right and rises, f"{claim}. They are {times.tolist()}")


def _check_state(sampler):
    name, flow, seed = type(sampler).__name__, DiscreteFlow(3, 2.0), keras.random.SeedGenerator(0)
    t, t_next = sampler.times(flow, 4)[:2]
    state = sampler.init(flow, (2, 5, 3), seed)
    s = sampler.evidence(flow, state, t)
    require_shape(s, (2, 5, 3), f"{name}.evidence")
    output = flow.output_distribution(ops.zeros((2, 5, 3)), s, ops.full((2,), t))
    after = sampler.step(flow, state, output, t, t_next, seed)

    def form(x):
        return f"{tuple(x.shape)} {keras.backend.standardize_dtype(x.dtype)}"

    before, after = (keras.tree.map_structure(form, each) for each in (state, after))
    claim = f"{name}.step must keep the state's shapes and dtypes"
    require(before == after, f"{claim}. They were {before}, and are {after} after a step")


def _check_seeds(sampler):
    name, model = type(sampler).__name__, make_pair_model()
    kwargs = {"num_steps": 5, "sampler": sampler, "verbose": 0}
    first, again, other = (model.generate(64, seed=seed, **kwargs) for seed in (1, 1, 2))
    require((first == again).all(), f"{name}: the same seed must give the same samples")
    require((first != other).any(), f"{name}: another seed must give other samples")
    if sampler.deterministic:
        latents = np.random.default_rng(0).standard_normal((64, 2, 3)).astype("float32") * 3**0.5
        first, other = (model.generate(64, seed=seed, latents=latents, **kwargs) for seed in (1, 2))
        claim = f"{name} is declared deterministic, but the same latents give other samples"
        require((first == other).all(), f"{claim} with another seed")
        found = model.encode(first, 5, sampler, seed=1, verbose=0)
        require_shape(found, (64, 2, 3), f"The latents that {name} encodes")
        require(np.isfinite(found).all(), f"{name} must encode data as finite latents")


def _check_joint_distribution(sampler, num_steps, seed):
    name, model = type(sampler).__name__, make_pair_model()

    def distance(num_steps):
        """Returns chi-squared of the pairs' counts, standardised by its mean and deviation."""
        options = {"seed": seed, "batch_size": NUM_SAMPLES, "verbose": 0}
        x = model.generate(NUM_SAMPLES, num_steps, sampler, **options)
        counts = np.bincount(x @ [3, 1], minlength=9)
        expected = NUM_SAMPLES * JOINT_PRIOR.ravel()
        return (np.sum((counts - expected) ** 2 / expected) - 8.0) / 4.0

    many, few = distance(num_steps), distance(2)
    claim = f"{name}: {num_steps} steps with the exact posterior must sample the joint distribution"
    came = f"Chi-squared of {NUM_SAMPLES} samples is {many:.1f} standard deviations too large"
    require(many < 8.0, f"{claim}. {came}")
    claim = f"{name}: 2 steps cannot sample the joint distribution better than {num_steps} do"
    require(few > many, claim)
