"""The model in which each variable has a time of its own, so that any can be sent before others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bfn._config import own_config
from keras_bfn._parts import map_parts, of_any_part, unzip_parts
from keras_bfn._typing import ArrayLike, Data, Nest, Parts, Scale, Tensor, Verbose
from keras_bfn._validation import check_bool, check_int, refusal
from keras_bfn.flows.flow import Flow, expand
from keras_bfn.flows.joint_normal import JointNormal
from keras_bfn.guidance import inpainting
from keras_bfn.models import generation, scoring
from keras_bfn.models.bayesian_flow_network import BayesianFlowNetwork
from keras_bfn.models.classifier_free import ClassifierFreeGuidance
from keras_bfn.models.generation import Options
from keras_bfn.models.trainer import in_turn
from keras_bfn.orders import orders
from keras_bfn.orders import states as _states
from keras_bfn.orders.given import check_known, given_inputs
from keras_bfn.orders.orders import Order, Together
from keras_bfn.orders.programs import OrderedScoringProgram, draw_in_order, is_in_one_pass
from keras_bfn.predictions import Prediction
from keras_bfn.samplers import NUM_STEPS, Sampler


@keras.saving.register_keras_serializable("keras_bfn")
class AnyOrderNetwork(BayesianFlowNetwork):
    """A Bayesian flow network that sends variables in any order, and conditions on any of them.

    Each variable has its own time: the network's input `"t"` has the shape of the data, and the
    network learns to condition on known variables. Then variables can be sent in any `order`, given
    any others. With an exact network, the cost is the same in every order, by the chain rule.

    Args:
        flow: as in `keras_bfn.BayesianFlowNetwork`.
        network: as there, but `"t"` has the shape of the data, or is a dict of the parts' times:
            networks of `keras_bfn.networks` take `times="variables"`. It may also take `"causal"`,
            bool, `(batch,)`, true for examples in which each position sees only those before it.
        states: a dict from kinds of training states to the fraction of examples in each, or the
            name of one kind, for all examples. `"together"`: all variables
            at the same time t. `"given"`: some known (single variables, all on one side of a
            position, or whole parts), the others at the same time. `"own"`: each at its own time.
            `"random"`: a random fraction known, the others unknown and coded directly.
            `"left_to_right"`: all coded directly in one call, each position given those before it,
            for a network that takes `"causal"`. For a dict of flows, the name of a part that is not
            itself a kind: that part known, the others at the same time; with `"some of "` before
            the name, a random fraction of the part known, and the rest of it not sent. Known
            variables cost nothing. By default, half of the examples are `"together"`, a quarter
            `"given"` and a quarter `"random"`; if some data cannot be coded directly, half are
            `"given"`. If the network takes `"causal"`, half of all examples are `"left_to_right"`.
        **kwargs: as in `keras_bfn.BayesianFlowNetwork`.

    Raises:
        ValueError: as in `keras_bfn.BayesianFlowNetwork`; or if the kinds or fractions of `states`
            are invalid.

    Example:

    ```python
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    network = keras_bfn.networks.MLP(flow, event_shape=(8,), width=32, times="variables")
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    model.compile(optimizer="adamw")
    model.fit(np.random.randint(0, 2, (64, 8)), epochs=2)
    given = np.full((16, 8), -1)
    given[:, :2] = [1, 0]  # the others are unknown
    model.generate(16, order="left_to_right", given=given)
    ```

    References: models of any order, [Hoogeboom et al., 2022](https://arxiv.org/abs/2110.02037); a
    time for each token, [Chen et al., 2024](https://arxiv.org/abs/2407.01392).
    """

    input_names = (*BayesianFlowNetwork.input_names, "causal")

    def __init__(
        self,
        flow: Parts[Flow],
        network: keras.Layer,
        states: str | Mapping[str, float] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(flow, network, **kwargs)
        self.states = _states.check_states(flow, "causal" in self.signature.optional, states)
        self.order: Order = Together()

    @property
    def time_shape(self) -> Nest:
        return self.event_shape

    def check_order(self, order: str | Order | Parts[ArrayLike] | None) -> Order:
        """Returns the order that `order` names, or raises a `ValueError` if data do not suit it."""
        found = orders.get(order)
        found.check(self.flow, self.event_shape)
        return found

    def compile(
        self,
        *args,
        order: str | Order | Parts[ArrayLike] = "together",
        **kwargs,
    ) -> None:
        """Configures the model for training, as `keras_bfn.BayesianFlowNetwork.compile`.

        Args:
            *args, **kwargs: as there, such as `optimizer` and `loss`.
            order: the order in which `evaluate` and validation send variables, as in `code_length`.
                Groups that are coded directly count in `reconstruction` and `bits_per_dim`, not in
                `loss`. Training uses the model's `states` instead.

        Raises:
            ValueError: if an argument is unknown or invalid.

        Example:

        >>> any_order_model.compile("adamw", order="random")
        """
        self.order = self.check_order(order)
        super().compile(*args, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return config and config | {"order": keras.saving.serialize_keras_object(self.order)}

    def draw_state(self, name, loss, u, x, observed, training=False):
        seed, event_shape, order = self.seed_generator, self.event_shape, self.order
        if training:
            return _states.draw_state(self.states, self.flow, event_shape, loss, u, observed, seed)
        noise = order.draw_noise(event_shape, ops.shape(u)[0], seed)
        in_one_pass = is_in_one_pass(self, order)
        return _states.scored_state(
            event_shape, order, in_one_pass, name, loss, u, x, observed, noise
        )

    def predict_state(self, state, loss, x, condition, observed, training=False):
        s, t_next = self.sample_evidence(x, state.t, state.known), None
        if "t_next" in self.signature.optional:
            t_next = _states.next_time(loss, state)
        seen = condition, observed, training, t_next
        return self.predict_params(s, state.t, *seen, known=state.known, causal=state.causal)

    def costs(self, loss, x, predictions, state):
        def cost(flow, x, prediction, messages, coded):
            return _states.cost(loss, flow, x, prediction, messages, coded, self.seed_generator)

        return map_parts(cost, self.flow, x, predictions, state.messages, state.coded)

    def sample_evidence(
        self, x: Parts[Tensor], t: Parts[Tensor], known: Parts[Tensor] | None = None
    ) -> Nest:
        """Samples evidence about data, at given times.

        Args:
            x: data, `(batch, *event_shape)`, or a dict of the parts'.
            t: time, `(batch,)`, or one per variable, shaped as `x`.
            known: bool, shaped as `x`: true for variables known with certainty. By default none.

        Returns:
            Evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of the parts'.
        """
        s = super().sample_evidence(x, t)
        return s if known is None else map_parts(know, self.flow, s, x, known)

    def predict_params(
        self,
        s: Parts[Tensor],
        t: Parts[Tensor],
        condition: Parts[Tensor] | None = None,
        observed: Parts[Tensor] | None = None,
        training: bool = False,
        t_next: Tensor | None = None,
        guide: Callable[..., Any] | None = None,
        known: Parts[Tensor] | None = None,
        causal: Tensor | None = None,
        drawn: Parts[Tensor] | None = None,
    ) -> Nest:
        """Predicts the parameters of the output distribution from evidence.

        Args:
            s, condition, observed, training, t_next: as in `keras_bfn.BayesianFlowNetwork`.
            t: time, `(batch,)`, or one per variable, shaped as the data.
            guide: as there. Guidance strengthens the condition, and what is known.
            known: bool, `(batch, *event_shape)`, or a dict of the parts': true for variables known
                with certainty, whose evidence is that of `sample_evidence`. By default none.
            causal: bool, `(batch,)`, for a network that takes it: true for examples in which each
                position is predicted only from those before it. By default none.
            drawn: bool, shaped as `known`: true for known variables that were sampled, not given.
                They stay known in the unconditional prediction of guidance. By default none.

        Returns:
            A `keras_bfn.Prediction`, or a dict of the parts' predictions.
        """
        heard = map_parts(hear_each, self.flow, s, t, observed, known, causal)
        times, evidence, theta = unzip_parts(heard)
        inputs = self.network_inputs(theta, times, condition, observed, t_next)
        if "causal" in self.signature.optional:
            nowhere = ops.zeros(ops.shape(of_any_part(theta))[:1], "bool")
            inputs["causal"] = nowhere if causal is None else causal
        if guide is None:
            params = self.call_network(inputs, training)
        else:
            without = self.without_condition(inputs)
            if known is not None:
                forgotten = map_parts(forget, self.flow, s, t, observed, known, drawn)
                t_without, _, theta_without = unzip_parts(forgotten)
                without = without | {"t": t_without, "theta": theta_without}
            params = guide(self.call_network, inputs, without)
        return map_parts(Prediction, times, evidence, theta, params)

    def network_inputs(self, theta, t, condition, observed, t_next):
        # The network, if it takes it, has one for all variables.
        t_next = of_any_part(t if t_next is None else t_next)
        if len(t_next.shape) > 1:
            t_next = ops.mean(t_next, axis=tuple(range(1, len(t_next.shape))))
        return super().network_inputs(theta, t, condition, observed, t_next)

    def predict_in(self, inputs, s, t, t_next=None, guide=None):
        condition, observed, known = map(inputs.get, ("condition", "observed", "known"))
        if known is not None:
            s = map_parts(know, self.flow, s, inputs["given"], known)
        return self.predict_params(
            s, t, condition, observed, t_next=t_next, guide=guide, known=known
        )

    def complete(self, x, inputs):
        if "known" not in inputs:
            return x

        def put(x, given, known):
            return ops.where(known, ops.cast(given, x.dtype), x)

        return map_parts(put, x, inputs["given"], inputs["known"])

    @in_turn
    def code_length(
        self,
        x: Data,
        num_steps: int | None = None,
        num_repeats: int = 1,
        batch_size: int = 128,
        sample_weight: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        verbose: Verbose = "auto",
        *,
        order: str | Order | Parts[ArrayLike] = "together",
        known: Collection[str] | Parts[ArrayLike] | None = None,
    ) -> dict[str, Any]:
        """Estimates the cost of sending each example, as `keras_bfn.BayesianFlowNetwork`.

        Args:
            x, num_steps, num_repeats, batch_size, sample_weight, seed, verbose: as there.
            order: the order in which variables are sent: a `keras_bfn.orders.Order`, its name
                (`"together"`, `"random"`, `"left_to_right"`), or an array of group numbers. Groups
                that are coded directly count in `"reconstruction"`. Each repeat scores one step of
                an order: with as many repeats as groups, all of them. In a random order, each
                repeat has a new one.
            known: what sender and receiver know from the start: names of parts, a bool mask that
                broadcasts to the data, or a dict of masks of some parts. The cost is that of the
                other variables, given these.

        Returns:
            As there. `"parts"` holds the costs of each part that is sent.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> nats = any_order_model.code_length(images, order="left_to_right", verbose=0)
        >>> nats["reconstruction"].shape
        (16,)
        """
        order, loss = self.check_order(order), scoring.loss_of(num_steps)
        inputs = scoring.check_inputs(self, x, num_repeats, verbose, sample_weight)
        known = check_known(self, known, inputs["x"])
        if known is not None:
            inputs["known"] = known
        in_one_pass = is_in_one_pass(self, order, known)
        program = self.programs(OrderedScoringProgram, loss, order, in_one_pass)
        nats = scoring.run(self, program, inputs, loss, num_repeats, batch_size, seed, verbose)
        parts = known if isinstance(known, dict) else {}
        return scoring.add_up(nats, {name for name, mask in parts.items() if mask.all()})

    @in_turn
    def generate(
        self,
        num_samples: int,
        num_steps: int = NUM_STEPS,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        guidance_scale: Scale | ClassifierFreeGuidance = 1.0,
        guidance: Callable[..., Any] | None = None,
        num_particles: int | None = None,
        latents: Parts[ArrayLike] | None = None,
        lengths: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        batch_size: int | None = None,
        return_details: bool = False,
        verbose: Verbose = "auto",
        *,
        order: str | Order | Parts[ArrayLike] = "together",
        given: Parts[ArrayLike] | None = None,
    ) -> Nest:
        """Generates samples, as `keras_bfn.BayesianFlowNetwork.generate`, in any order.

        Args:
            num_samples, num_steps, sampler, condition, guidance, num_particles: as there.
            lengths, seed, batch_size, return_details, verbose: as there.
            guidance_scale: as there. Variables that are `given` are strengthened likewise, relative
                to not knowing them. From left to right, a conditional network with `causal=True`
                strengthens its condition alone.
            latents: as there; for a dict of flows, a dict of the parts that are not given.
            order: the order in which variables are sampled, as in `code_length`. Each group that is
                coded directly takes one network call, other groups `num_steps + 1` each. Orders
                other than `"together"` allow conditions with a `guidance_scale`, but no `guidance`,
                particles, latents or details.
            given: values known from the start: data of `num_samples` examples, with NaN, or -1 in
                integers, for unknown values; for a dict of flows, a dict of some parts. The other
                variables are sampled given these.

        Returns:
            As there.

        Raises:
            ValueError: if an argument is out of its range, or the model has no event shape yet.

        Example:

        >>> any_order_model.generate(2, order="left_to_right", verbose=0).shape
        (2, 4, 4, 1)
        """
        options = Options(
            num_steps=num_steps,
            condition=condition,
            guidance_scale=guidance_scale,
            guidance=guidance,
            num_particles=num_particles,
            seed=seed,
            batch_size=batch_size,
            return_details=return_details,
            verbose=verbose,
        )
        inputs = generation.prepare(self, num_samples, lengths)
        sampler = self.get_sampler(generation.default_sampler(sampler, latents, options))
        inputs |= given_inputs(self, given, num_samples)
        if lengths is not None and "known" in inputs:
            # What is given beyond them is not part of the example.
            inputs["known"] = map_parts(np.logical_and, inputs["known"], inputs["observed"])
        if latents is not None:
            latents = self._complete_latents(latents, inputs.get("known"), num_samples)
            inputs["latents"] = generation.check_latents(self, latents, sampler, num_samples)
        return self._draw(sampler, order, self.event_shape, inputs, options)

    def _complete_latents(self, latents, known, num_samples):
        """Returns latents with zeros for parts that are given as a whole."""
        if not isinstance(latents, dict) or not isinstance(known, dict):
            return latents
        return latents | {
            name: np.zeros((num_samples, *self.event_shape[name], flow.embedding_size))
            for name, flow in self.flow.items()
            if known[name].all()
        }

    def _draw(self, sampler, order, event_shape, inputs, options):
        """Draws samples in an order."""
        inputs, classifier_free = generation.add_condition(
            self, event_shape, inputs, options, can_forget="known" in inputs
        )
        order = self.check_order(order)
        if type(order) is Together:
            return generation.draw(self, sampler, inputs, classifier_free, options)
        return draw_in_order(self, sampler, order, inputs, classifier_free, options)

    @in_turn
    def inpaint(
        self,
        x: Data,
        known: Parts[ArrayLike] | None = None,
        num_steps: int = NUM_STEPS,
        num_particles: int = 1,
        condition: Parts[ArrayLike] | None = None,
        guidance_scale: Scale | ClassifierFreeGuidance = 1.0,
        guidance: Callable[..., Any] | None = None,
        twisted: bool = True,
        lengths: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        batch_size: int | None = None,
        return_details: bool = False,
        verbose: Verbose = "auto",
        *,
        order: str | Order | Parts[ArrayLike] = "together",
    ) -> Nest:
        """Completes each example, given its known variables, in any order.

        The network has learnt to condition on known variables: the others are sampled given these
        by the default sampler of `generate`, and particles only serve a `guidance`.

        Args:
            x, known, num_steps, num_particles: as in `keras_bfn.BayesianFlowNetwork.inpaint`.
            condition, guidance_scale, guidance, twisted: as there.
            lengths, seed, batch_size, verbose: as there.
            return_details: bool. Whether to also return all predictions, or, with a guidance and
                several particles, the particles and their weights.
            order: as in `generate`.

        Returns:
            As there.

        Raises:
            ValueError: if the data do not suit the model, or an argument is out of its range.

        Example:

        >>> known = np.zeros(images.shape, bool)
        >>> known[:, :2] = True  # the two rows at the top
        >>> any_order_model.inpaint(images, known, order="random", verbose=0).shape
        (16, 4, 4, 1)
        """
        num_particles = check_int("num_particles", num_particles, 1)
        check_bool("twisted", twisted)
        if guidance is None or num_particles == 1:  # nothing needs to be weighed
            num_particles = None
        options = Options(
            num_steps=num_steps,
            condition=condition,
            guidance_scale=guidance_scale,
            guidance=guidance,
            num_particles=num_particles,
            seed=seed,
            batch_size=batch_size,
            return_details=return_details,
            verbose=verbose,
        )
        inputs, x, known = inpainting.prepare(self, x, known, lengths)
        inputs |= {"given": x, "known": map_parts(lambda known: known > 0.5, known)}
        event_shape = map_parts(lambda x: x.shape[1:], x)
        sampler = self.get_sampler(generation.default_sampler(None, None, options))
        return self._draw(sampler, order, event_shape, inputs, options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **own_config(self, AnyOrderNetwork)}


def check_order(model, order):
    """Returns the order that `order` names; raises a `ValueError` if the model does not support it.

    Args:
        model: a `BayesianFlowNetwork`, which may be an `AnyOrderNetwork`.
        order: an order, its name, group numbers, or None.
    """
    if isinstance(model, AnyOrderNetwork):
        return model.check_order(order)
    found = orders.get(order)
    if type(found) is not Together:
        expected = "requires a `keras_bfn.AnyOrderNetwork`. Others send all variables together"
        raise refusal("order", expected, order)
    return found


def hear_each(flow, s, t, observed=None, known=None, causal=None):
    """Returns the times, evidence and theta for a network, in float32, for data of one kind.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        s: evidence, `(batch, *event_shape, flow.embedding_size)`.
        t: time, `(batch,)`, or for each variable, `(batch, *event_shape)`.
        observed: bool, `(batch, *event_shape)`: which variables are observed. By default all are.
        known: bool, `(batch, *event_shape)`: which variables are known for sure, by evidence
            `flow.known_evidence`. By default none.
        causal: bool, `(batch,)`: where each variable is predicted from those before it. There, a
            joint prior must not reveal anything about unobserved variables. By default nowhere.

    Returns:
        The tuple of a time for each variable, 1 if it is known, and 0 if it is not observed; of the
        evidence; and of the parameters theta of the input distribution. For unobserved variables,
        evidence and theta are those before the first message; for known ones, the evidence is the
        noiseless one at t = 1, or, by a joint prior, the one at t = 1 that gives all others theta.
    """
    s = ops.convert_to_tensor(s, dtype="float32")
    t = ops.convert_to_tensor(t, dtype="float32")
    beta = flow.schedule.beta(t)
    if known is not None:
        beta = ops.where(known, flow.known_accuracy(), expand(beta, known))
    if observed is None:
        theta = flow.input_params(s, beta)
    else:
        observed = ops.cast(observed, "bool")
        heard = flow.hear(s, beta, observed)
        if causal is not None:
            apart = Flow.hear(flow, s, beta, observed)
            heard = (ops.where(expand(causal, a), a, b) for a, b in zip(apart, heard, strict=True))
        s, theta = heard
    if known is not None:
        # Their time is 1, and output distributions depend on both evidence and time.
        last, prior = flow.schedule.beta(1.0), getattr(flow, "prior", None)
        if isinstance(prior, JointNormal):
            own = _evidence_for(theta, last, prior)
        else:
            own = last / flow.known_accuracy() * s
        s = ops.where(known[..., None], own, s)
    t = ops.broadcast_to(expand(t, s[..., 0]), ops.shape(s)[:-1])
    t = t if known is None else ops.where(known, 1.0, t)
    if observed is not None:
        # A joint prior has filled in evidence of the accuracy `beta`, not that at t = 0.
        t, s = ops.where(observed, t, 0.0), ops.where(observed[..., None], s, 0.0)
    return t, s, theta


def _evidence_for(mean, beta, prior):
    """Returns the evidence of accuracy `beta` given which a joint prior's mean is `mean`."""
    away = ops.reshape(mean, (-1, prior.mean.size)) - ops.convert_to_tensor(prior.mean)
    return beta * mean + ops.reshape(ops.matmul(away, _precision_of(prior)), ops.shape(mean))


@functools.lru_cache(maxsize=8)
def _precision_of(prior):
    return np.linalg.inv(prior.covariance.astype("float64")).astype("float32")


def forget(flow, s, t, observed, known, drawn):
    """Returns what `hear_each` returns if known variables are not, unless they were drawn."""
    given = known if drawn is None else known & ~drawn
    s, t = ops.where(given[..., None], 0.0, s), ops.where(given, 0.0, expand(t, given))
    return hear_each(flow, s, t, observed, drawn)


def know(flow, s, x, known):
    """Returns evidence in which the known variables of `x` are known for sure."""
    return ops.where(known[..., None], flow.known_evidence(x), s)
