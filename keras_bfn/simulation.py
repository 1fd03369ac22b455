"""Simulation-based inference: one joint model of parameters and observations."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_bfn import flows, networks, schedules
from keras_bfn._random import seed_of
from keras_bfn._typing import Array
from keras_bfn._validation import (
    check_int,
    check_numbers,
    is_number,
    refusal,
    refuse_details,
    to_numpy,
)
from keras_bfn.flows import Flow
from keras_bfn.flows.scaling import FINEST, ROUNDING
from keras_bfn.inputs.missing import is_missing
from keras_bfn.models.programs import check_batch_size
from keras_bfn.orders import AnyOrderNetwork, Groups
from keras_bfn.orders.states import KINDS, SOME_OF
from keras_bfn.samplers import NUM_STEPS, Sampler

SIGMA_1 = 0.002  # relative to half the range: posteriors are often much narrower than the prior
EDGE = 0.1  # margin beyond bounds, from which samples are drawn again; clipping would pile them up
ATTEMPTS = 10  # at drawing samples within the bounds; those still outside are then reflected
OF_EACH_SAMPLE = {"condition", "guidance", "latents", "lengths"}  # arguments of `generate`
MARGIN = 0.5  # margin beyond the simulated range, as real observations may lie there
STATES = {"together": 0.1, "given": 0.2}
OBSERVED = 0.7  # fraction of the training examples: most users need the posterior
PARTLY_OBSERVED = 0.25  # those among them with some of the observation
BATCH_SIZE = 1024
MOST_CLASSES = 1024


@keras.saving.register_keras_serializable("keras_bfn")
class SimulationModel(AnyOrderNetwork):
    """A joint model of parameters and observations, for simulation-based inference.

    It learns from a dict of arrays, such as `"parameters"` sampled from a prior and the
    `"observation"` that a simulator returned for each. Any names and number of parts are allowed.
    Given the observation, `sample` samples the posterior; given the parameters, the likelihood;
    given nothing, the joint distribution.

    Args:
        flow, network, **kwargs: as in `keras_bfn.AnyOrderNetwork`.
            `make_model` chooses them from simulations.
        bounds: as in `make_model`. `sample` draws samples that lie outside again, up to ten times;
            then, or with a condition, guidance, latents or lengths, it reflects them.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> theta = rng.uniform(-1, 1, (500, 2))
    >>> simulations = {"parameters": theta, "observation": theta + rng.normal(0, 0.1, (500, 2))}
    >>> bounds = {"parameters": (-1, 1)}
    >>> model = keras_bfn.simulation.make_model(simulations, bounds, width=32, seed=0)
    >>> model.compile(keras_bfn.recipes.adamw(num_steps=25))
    >>> history = model.fit(simulations, batch_size=100, epochs=5, verbose=0)
    >>> posterior = model.sample(100, {"observation": [0.3, 0.5]}, num_steps=10)["parameters"]
    >>> posterior.shape, bool((np.abs(posterior) <= 1).all())
    ((100, 2), True)
    """

    def __init__(
        self,
        flow: Mapping[str, Flow],
        network: keras.Layer,
        bounds: Mapping[str, Sequence[Any]] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(flow, network, **kwargs)
        self.bounds = bounds

    def sample(
        self,
        num_samples: int,
        given: Mapping[str, Any] | None = None,
        num_steps: int = NUM_STEPS,
        sampler: str | Sampler | None = None,
        **options,
    ) -> dict[str, Array]:
        """Samples all parts, given some of them.

        Args:
            num_samples: int, at least 1. The number of samples for each given example.
            given: a dict from names of parts to one example, of shape `event_shape`, or to a batch
                of examples, `(num, *event_shape)`. NaN, or -1 in parts of classes and levels, marks
                values that were not observed. They are sampled, too: those of the observed part
                after all other parts.
            num_steps, sampler, **options: as in `generate`.

        Returns:
            A dict of all parts: arrays of shape `(num_samples, *event_shape)`, or, for a batch of
            given examples, `(num, num_samples, *event_shape)`.

        Raises:
            ValueError: if `given` does not suit the model, or an argument is out of its range.
        """
        num_samples = check_int("num_samples", num_samples, 1)
        refuse_details(options, self.generate)
        if not isinstance(given, (Mapping, type(None))):
            raise refusal("given", "must be a dict from names of parts to values", given)
        given = {name: to_numpy(x, f"given[{name!r}]") for name, x in (given or {}).items()}
        shape = self._count_given(given)
        num = int(np.prod(shape)) * num_samples
        for name, x in given.items():
            x = self._to_floats(name, x)
            if self.bounds and name in self.bounds:
                _check_inside(f"given[{name!r}]", x, self.bounds[name])
            x = x.reshape(-1, *self.event_shape[name])
            given[name] = np.repeat(x, num_samples, axis=0)
        options = {"batch_size": min(num, BATCH_SIZE), "verbose": 0, **options}
        # In an order, `generate` takes no guidance but by a constant scale, and no latents.
        others = (options.get(name) for name in ("order", "guidance", "latents"))
        if all(x is None for x in others) and is_number(options.get("guidance_scale", 1.0)):
            options["order"] = self._order_given(given)
        samples = self.generate(num, num_steps, sampler, given=given, **options)
        if all(options.get(name) is None for name in OF_EACH_SAMPLE):
            self._draw_again(samples, given, num_steps, sampler, options)
        for name, (low, high) in (self.bounds or {}).items():
            samples[name] = _reflect(samples[name], np.float32(low), np.float32(high))
        for name, x in samples.items():
            samples[name] = x.reshape(*shape, num_samples, *self.event_shape[name])
        return samples

    def _order_given(self, given):
        """Returns the order in which what is partly known comes last, as in training; or None."""
        partly = [name for name, x in given.items() if is_missing(x).any()]
        partly = {name for name in partly if self.states.get(SOME_OF + name)}
        numbers = {name: int(name in partly) for name in self.flow}
        return Groups(numbers, coded_directly=False) if partly else None

    def _to_floats(self, name, x):
        """Returns integers as floats, where a part consists of floats."""
        if name not in self.flow or self.flow[name].discrete:
            return x
        x = to_numpy(x, name)
        return x.astype("float32") if x.dtype.kind in "iu" else x

    def log_likelihood(
        self,
        x: Mapping[str, Any],
        known: Collection[str] | None = None,
        num_repeats: int = 100,
        **options,
    ) -> Array:
        """Estimates a lower bound of the log density of each example, in nats, without bias.

        Only the logarithm is without bias: noise raises the mean of its exponential, so densities
        that are to be added up, such as over a grid, need many repeats.

        Args:
            x: a dict of all parts, arrays of shape `(num, *event_shape)`.
            known: name or names of the parts that are known; the others are scored. With
                `"observation"`, the result is the log density of the posterior.
            num_repeats: int. The number of times at which each example is scored. More repeats
                lower the noise.
            **options: as in `code_length`.

        Returns:
            An array of shape `(num,)`. Densities of numbers are in the units of the data; classes
            count with their probabilities. Outside of the bounds, the density is 0, and its
            logarithm -inf.

        Raises:
            ValueError: if the data do not suit the model, or an argument is out of its range.
        """
        own, impossible = {"batch_size": BATCH_SIZE, "verbose": 0}, False
        known = [known] if isinstance(known, str) else known
        if isinstance(x, Mapping):
            x = {name: self._to_floats(name, part) for name, part in x.items()}
        for name, bounds in (self.bounds or {}).items():
            if not isinstance(x, Mapping) or name not in x:
                continue  # `code_length` says what is wrong, also below
            part = to_numpy(x[name], f"x[{name!r}]")
            has_examples = part.ndim > 0 and part.shape[1:] == self.event_shape[name]
            if not has_examples or part.dtype.kind != "f":
                continue
            if name in (known or ()):
                _check_inside(f"x[{name!r}]", part, bounds)
            impossible = impossible | _any_outside(part, bounds)
            x = {**x, name: np.where(_outside(part, bounds), np.float32(bounds[0]), part)}
        nats = self.code_length(x, num_repeats=num_repeats, known=known, **{**own, **options})
        return np.where(impossible, -np.inf, -(nats["transmission"] + nats["reconstruction"]))

    def _draw_again(self, samples, given, num_steps, sampler, options):
        """Replaces samples outside of the bounds by new ones, at most `ATTEMPTS` times."""
        size = check_batch_size(options["batch_size"], len(next(iter(samples.values()))))
        for attempt in range(ATTEMPTS):
            bounded = (self.bounds or {}).items()
            outside = [_any_outside(samples[name], bounds) for name, bounds in bounded]
            rows = np.flatnonzero(np.any(outside, axis=0))
            if not rows.size:
                return
            # Whole batches, for which the program is compiled already.
            drawn = np.resize(rows, -(-rows.size // size) * size)
            seed = options.get("seed")
            seed = None if seed is None else seed_of(int(seed), f"attempt {attempt}")
            some = {name: x[drawn] for name, x in given.items()}
            again = self.generate(
                len(drawn), num_steps, sampler, given=some, **{**options, "seed": seed}
            )
            for name, x in again.items():
                samples[name][rows] = x[: rows.size]

    def _count_given(self, given):
        """Returns the batch shape of the given examples: `(num,)`, or `()` for one example."""
        shapes = set()
        for name, x in given.items():
            if name not in self.event_shape:
                raise refusal("given", f"must name some of {list(self.event_shape)}", name)
            num_axes = x.ndim - len(self.event_shape[name])
            if num_axes not in (0, 1) or x.shape[num_axes:] != self.event_shape[name]:
                expected = f"must have shape {self.event_shape[name]}, or be a batch of that shape"
                raise refusal(f"given[{name!r}]", expected, x.shape)
            if 0 in x.shape[:num_axes]:
                expected = "must have at least one example, or leave out `given`"
                raise refusal(f"given[{name!r}]", expected, x.shape)
            shapes.add(x.shape[:num_axes])
        if len(shapes) > 1:
            raise refusal("given", "must contain equally many examples of each part", shapes)
        return shapes.pop() if shapes else ()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bounds": self.bounds}


def make_model(
    simulations: Mapping[str, Any],
    bounds: Mapping[str, Sequence[Any]] | None = None,
    observed: str | None = "observation",
    width: int = 64,
    num_blocks: int = 4,
    dropout: float = 0.0,
    seed: int | None = None,
) -> SimulationModel:
    """Makes an untrained model of simulations.

    Floats are numbers; integers are classes, 0 to K - 1, and bools 0 and 1. Pass counts and other
    integers whose order matters as floats, `x.astype("float32")`; there are at most 1,024 classes.
    Numbers without bounds may lie outside the simulated range by half of its half-width; values
    farther outside raise an error.

    Args:
        simulations: a dict of arrays, `(num, *event_shape)`, such as `"parameters"` and
            `"observation"`. NaN, or -1 in integers, is missing.
        bounds: a dict from names of parts to `(low, high)`, numbers or arrays that broadcast to
            `event_shape`, such as the bounds of a uniform prior. No sample lies outside them, and
            no simulated value may. Only for parts of floats.
        observed: the name of the observed part, or None. This part is given in most training
            examples, wholly or in part, so that the posterior is learnt best. With None, all parts,
            and all groups of parts, are given equally often.
        width, num_blocks, dropout: as in `keras_bfn.networks.MultiPart`.
        seed: int or None. As in `keras_bfn.BayesianFlowNetwork`; initial weights follow
            `keras.utils.set_random_seed`.

    Returns:
        An untrained `SimulationModel`.

    Raises:
        ValueError: if an argument is out of its range.

    Example: see `SimulationModel`.
    """
    if not isinstance(simulations, Mapping):
        raise refusal("simulations", "must be a dict of arrays", simulations)
    simulations = {name: _check_part(name, x) for name, x in simulations.items()}
    if not set(bounds or ()) <= set(simulations):
        raise refusal("bounds", f"must name some of {list(simulations)}", bounds)
    bounds = {name: _check_bounds(name, b, simulations[name]) for name, b in (bounds or {}).items()}
    # In the model's `states`, the name of a kind of state would mean that kind.
    named = [name for name in simulations if name not in KINDS and len(simulations) > 1]
    if observed is not None and not (isinstance(observed, str) and observed in named):
        expected = f"must be one of {named}, or None, such as for several observed parts"
        named_so = "No observed part may be named like a state of training"
        raise refusal("observed", f"{expected}. {named_so}", observed)
    states = STATES
    if observed is not None:
        wholly = OBSERVED - PARTLY_OBSERVED * (simulations[observed][0].size > 1)
        states = {**STATES, observed: wholly, SOME_OF + observed: OBSERVED - wholly}
    flow = {name: _make_flow(name, x, bounds.get(name)) for name, x in simulations.items()}
    shapes = {name: x.shape[1:] for name, x in simulations.items()}
    network = networks.MultiPart(
        flow, shapes, width, num_blocks, mixer="mlp", dropout=dropout, times="variables"
    )
    return SimulationModel(flow, network, bounds, states=states, allow_missing=True, seed=seed)


def _check_part(name, x):
    """Returns the simulated values of one part as an array."""
    name = f"simulations[{name!r}]"
    x = to_numpy(x, name)
    if x.dtype.kind not in "biuf" or not x.ndim or not x.size:
        raise refusal(name, "must be numbers, an array with an axis of simulations", x)
    if np.isinf(x).any() or is_missing(x).all():
        raise refusal(name, "must be finite, or NaN in some of the simulations", x)
    if x.dtype.kind in "iu" and x.max() >= MOST_CLASSES:
        expected = f"must be classes below {MOST_CLASSES}, or, if their order matters, floats"
        raise refusal(name, expected, x)
    return x


def _check_bounds(name, bounds, x):
    """Returns the bounds of a part as two floats, or nested lists of floats."""
    name = f"bounds[{name!r}]"
    if x.dtype.kind in "iub":
        raise refusal(name, "must be for a part of floats: classes have no bounds", bounds)
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise refusal(name, "must be a pair (low, high)", bounds)
    try:
        low, high = (np.broadcast_to(check_numbers(name, end), x.shape[1:]) for end in bounds)
    except ValueError as error:
        expected = f"must be two numbers, or arrays that broadcast to {x.shape[1:]}"
        raise refusal(name, expected, bounds) from error
    if not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
        raise refusal(name, "must be finite, with low below high", bounds)
    center, scale = _scaling_of([low, high])
    if (scale <= FINEST * np.abs(center)).any():
        expected = f"must differ by more than {2 * FINEST} of their size: subtract a constant"
        raise refusal(name, expected, bounds)
    x = x.astype("float32")  # as bounds are, so that rounding puts no value outside
    if ((x < low) | (x > high)).any():
        expected = f"must contain all simulated values, from {np.nanmin(x)} to {np.nanmax(x)}"
        raise refusal(name, expected, bounds)
    return [to_numpy(end).tolist() for end in bounds]


def _outside(x, bounds):
    x, (low, high) = x.astype("float32"), (np.float32(bound) for bound in bounds)
    return (x < low) | (x > high)


def _any_outside(x, bounds):
    """Returns which examples have a value outside of the bounds: bool, `(num,)`."""
    return _outside(x, bounds).reshape(len(x), -1).any(axis=1)


def _check_inside(name, x, bounds):
    if _outside(x, bounds).any():
        raise refusal(name, f"must lie within the bounds {bounds}, or be NaN", x)


def _make_flow(name, x, bounds):
    """Returns the flow of one part: of classes, or of numbers."""
    if x.dtype.kind in "iub":
        flow = flows.DiscreteFlow(max(2, int(x.max()) + 1), beta_1=1.0)
        try:
            schedule = schedules.fit(flow, x[x >= 0])
        except ValueError:  # nearly all of one class: without evidence, too little is left to pay
            schedule = schedules.fit(flow, np.arange(flow.num_classes))
        return flows.DiscreteFlow(flow.num_classes, schedule=schedule)
    if bounds is None:
        if np.isnan(x).all(axis=0).any():
            expected = "must contain a value of each number that has no bounds"
            raise refusal(f"simulations[{name!r}]", expected, x)
        low, high = (end(x, axis=0).astype("float64") for end in (np.nanmin, np.nanmax))
        share = (1.0 + MARGIN) * (high - low) / np.maximum(np.abs(high + low), 1e-300)
        if ((share < FINEST) & (share > ROUNDING * np.finfo(x.dtype).eps)).any():
            expected = f"must vary by more than {FINEST} of its values: subtract a constant"
            raise refusal(f"simulations[{name!r}]", expected, x)
        flow = flows.ContinuousFlow(SIGMA_1)
        return flows.fit_scaling(flow, x, per="variable", margin=MARGIN)
    center, scale = _scaling_of(bounds)
    return flows.ContinuousFlow(SIGMA_1, center=center, scale=scale)


def _scaling_of(bounds):
    low, high = (np.asarray(bound, "float64") for bound in bounds)
    return 0.5 * (low + high), (1.0 + EDGE) * 0.5 * (high - low)


def _reflect(x, low, high):
    """Returns values with those outside the bounds reflected to the inside."""
    x = np.where(x < low, 2 * low - x, x)
    return np.clip(np.where(x > high, 2 * high - x, x), low, high)
