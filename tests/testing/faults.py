"""Flows, schedules, samplers and networks with one fault each."""

import math

import keras
from keras import ops

from keras_bfn import flows, losses, networks, samplers, schedules
from keras_bfn.distributions import Categorical, Delta, Distribution, VonMises


class WrongGain(flows.DiscretizedFlow):
    gain = 2.0  # though theta is s / (1 + beta)


class PriorWithoutInputMean(flows.ContinuousFlow):
    input_mean = flows.Flow.input_mean

    def __init__(self, prior=0.0, **kwargs):
        super().__init__(**kwargs)
        self.prior = prior

    def get_config(self):
        return {**super().get_config(), "prior": self.prior}


class PriorThatMustBeGiven(flows.ContinuousFlow):
    def __init__(self, prior=(0.0, 1.0), **kwargs):
        if prior is None:
            raise TypeError("prior is None")
        super().__init__(prior=prior, **kwargs)


class NotANumberWithAPrior(flows.ContinuousFlow):
    def output_distribution(self, params, s, t):
        wrong = 1.0 if self.prior is None else math.nan
        return super().output_distribution(wrong * params, s, t)


class BlindWithAPrior(flows.ContinuousFlow):
    def output_distribution(self, params, s, t):
        wrong = 1.0 if self.prior is None else 0.0
        return super().output_distribution(wrong * params, s, t)


class WrongGainInMessages(flows.DiscreteFlow):
    def receive(self, embedding, alpha, noise):
        return super().receive(embedding, 2.0 * alpha, noise)


class WeakUpdates(flows.ContinuousFlow):
    def sample_evidence(self, x, t, seed=None):
        return super().observe(self.embed(x), self.schedule.beta(t), seed)

    def observe(self, embedding, alpha, seed=None):
        return 0.9 * super().observe(embedding, alpha, seed)


class BiasedSample(flows.DiscreteFlow):
    def sample_evidence(self, x, t, seed=None):
        return super().sample_evidence(x, t, seed) + 0.1


class OneNoiseForAllNumbers(flows.DiscreteFlow):
    def receive(self, embedding, alpha, noise):
        return super().receive(embedding, alpha, 0.0 * noise + noise[..., :1])


class NotClipped(flows.ContinuousFlow):
    def output_distribution(self, params, s, t):
        return Delta(ops.squeeze(params, axis=-1))


class InfiniteAtTheStart(flows.ContinuousFlow):
    def output_distribution(self, params, s, t):
        beta = ops.reshape(self.schedule.beta(t), (-1,) + (1,) * (len(s.shape) - 1))
        return Delta(ops.squeeze(ops.clip(s / beta - params, -1.0, 1.0), axis=-1))


class HalfPrecision(flows.DiscreteFlow):
    def embed(self, x):
        return ops.cast(super().embed(x), "float16")


class EmbedsWithoutAnAxis(flows.ContinuousFlow):
    def embed(self, x):
        return ops.cast(x, "float32")


class WideTheta(flows.DiscreteFlow):
    def input_params(self, s, beta):
        return s


class WrongMean(flows.DiscreteFlow):
    def expected_embedding(self, distribution):
        return super().expected_embedding(distribution) ** 2


class HalfDivergence(flows.ContinuousFlow):
    def sender_receiver_kl(self, x, distribution, alpha, seed=None):
        return 0.5 * super().sender_receiver_kl(x, distribution, alpha, seed)


class WrongRatios(flows.DiscreteFlow):
    def log_likelihood_ratios(self, x, alpha, noise):
        return super().log_likelihood_ratios(x, 2.0 * alpha, noise)


class Louder(Categorical):
    def log_prob(self, x):
        return super().log_prob(x) + 0.3


class Halved(Categorical):
    def mean(self):
        return 0.5 * super().mean()


class Unlikeliest(Categorical):
    def mode(self):
        return ops.cast(ops.argmin(self.logits, axis=-1), "int32")


class Hotter(Categorical):
    def tempered(self, temperature):
        return Categorical(self.logits * temperature)


class WrongTemperature(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return Hotter(params)


class WrongLogProb(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return Louder(params)


class WrongOutputMean(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return Halved(params)


class WrongMode(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return Unlikeliest(params)


class ThreefoldReconstruction(flows.DiscreteFlow):
    def reconstruction_loss(self, x, params, s, t):
        return 3.0 * super().reconstruction_loss(x, params, s, t)


class NotTilted(flows.DiscreteFlow):
    def tilted(self, distribution, evidence, t):
        return distribution


class WrongExpectedData(flows.DiscreteFlow):
    def expected_data(self, distribution):
        return 0.9 * super().expected_data(distribution)


class WideEvidenceParams(flows.DiscreteFlow):
    def evidence_params(self, theta):
        return theta[..., :1]


class Denser(VonMises):
    def log_prob(self, x):
        return super().log_prob(x) + 0.3


class WrongDensity(flows.CircularFlow):
    def output_distribution(self, params, s, t):
        return Denser(params)

    def log_receiver_ratio(self, x, distribution, alpha, noise):
        right = VonMises(distribution.natural)
        return super().log_receiver_ratio(x, right, alpha, noise)


class TakesEverything(flows.DiscreteFlow):
    def check_data(self, x, name="x"):
        pass


class ForgetsItsArgument(flows.DiscreteFlow):
    def __init__(self, num_classes, beta_1=None, schedule=None, depth=2):
        super().__init__(num_classes, beta_1, schedule)
        self.depth = depth + 1


class HasNoTheta(flows.DiscreteFlow):
    theta_size = None


class HasNoOutput(flows.DiscreteFlow):
    output_distribution = flows.Flow.output_distribution


class HasNoEnd(flows.DiscreteFlow):
    data_range = (0, math.inf)
    expected_embedding = flows.Flow.expected_embedding


class BeginsAt1(flows.DiscreteFlow):
    data_range = (1, 3)


class DrawsWithoutASource(Categorical):
    def sample(self, seed=None):
        return ops.cast(keras.random.uniform(ops.shape(self.logits)[:-1], seed=seed), "int32")


class DrawsByKeras(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return DrawsWithoutASource(params)


class HasTwoLogits(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return Categorical(params[..., :2])


class OnlyLogs(Distribution):
    pass


class HasNoMean(flows.DiscreteFlow):
    def output_distribution(self, params, s, t):
        return OnlyLogs()


class LosesItsArgument(flows.DiscreteFlow):
    def __init__(self, num_classes, beta_1=None, schedule=None, depth=2):
        super().__init__(num_classes, beta_1, schedule)


class SlopeOffByAFactor(schedules.Schedule):
    def beta(self, t):
        return 3.0 * ops.square(ops.cast(t, "float32"))

    def derivative(self, t):
        return 5.0 * ops.cast(t, "float32")


class StartsAbove0(SlopeOffByAFactor):
    def beta(self, t):
        return 5.0 + 3.0 * ops.cast(t, "float32")

    def derivative(self, t):
        return 3.0 * ops.ones_like(ops.cast(t, "float32"))


class Falls(StartsAbove0):
    def beta(self, t):
        return -2.0 * ops.cast(t, "float32")


class Infinite(StartsAbove0):
    def beta(self, t):
        t = ops.cast(t, "float32")
        return t / (1.0 - t)


class WrongInverse(schedules.QuadraticSchedule):
    def inverse(self, beta):
        return ops.cast(beta, "float32") / self.beta_1


class EndsAsAnother(schedules.QuadraticSchedule):
    def ending_at(self, beta_1):
        return schedules.QuadraticSchedule(beta_1)


class Doubles(schedules.QuadraticSchedule):
    def alpha(self, step, num_steps):
        return 2.0 * super().alpha(step, num_steps)


class WithoutNoise(samplers.SDE1Sampler):
    def advance(self, flow, state, embedding, t, t_next, seed=None):
        alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
        return state + flow.gain * alpha * embedding


class StaysAtTheStart(samplers.AncestralSampler):
    def step(self, flow, state, distribution, t, t_next, seed=None):
        return state


class SaysItIsDeterministic(samplers.AncestralSampler):
    deterministic = True

    def init_from(self, latents):
        return latents


class GrowingState(samplers.SDE1Sampler):
    def step(self, flow, state, distribution, t, t_next, seed=None):
        state = super().step(flow, state, distribution, t, t_next, seed)
        return ops.concatenate([state, state], axis=0)


class ForgetsTheGain(samplers.SDE1Sampler):
    """Forgets some evidence in each step and hears it anew, but not as loudly."""

    def step(self, flow, state, distribution, t, t_next, seed=None):
        beta, beta_next = flow.schedule.beta(t), flow.schedule.beta(t_next)
        kept = 1.0 - ops.minimum(2.0 * (t_next - t), 1.0)
        noise = keras.random.normal(ops.shape(state), seed=seed)
        state = kept * state + ops.sqrt(beta * kept * (1.0 - kept)) * noise
        embedding = flow.embed(distribution.sample(seed))
        return state + flow.observe(embedding, beta_next - kept * beta, seed)


class TakesOneStepMore(samplers.SDE1Sampler):
    def times(self, flow, num_steps):
        return super().times(flow, num_steps + 1)


class EndsEarly(samplers.SDE1Sampler):
    def times(self, flow, num_steps):
        return 0.9 * super().times(flow, num_steps)


class StartsWithoutEvidence(samplers.AncestralSampler):
    def init(self, flow, shape, seed=None):
        return ops.zeros(shape)


class IsOfClasses(samplers.SDE1Sampler):
    """Knows the gain of three classes alone."""

    def step(self, flow, state, distribution, t, t_next, seed=None):
        alpha = 3.0 * (flow.schedule.beta(t_next) - flow.schedule.beta(t))
        noise = keras.random.normal(ops.shape(state), seed=seed)
        return state + alpha * flow.expected_embedding(distribution) + ops.sqrt(alpha) * noise


class MovesExamples(samplers.SDE1Sampler):
    def step(self, flow, state, distribution, t, t_next, seed=None):
        return ops.roll(super().step(flow, state, distribution, t, t_next, seed), 1, axis=0)


class EncodesNothing(samplers.ODE1Sampler):
    def latents(self, state):
        return math.nan * state


class KeepsADict(samplers.ODE1Sampler):
    """No fault: its state is a dict."""

    def init(self, flow, shape, seed=None):
        return {"u": super().init(flow, shape, seed)}

    def init_from(self, latents):
        return {"u": super().init_from(latents)}

    def evidence(self, flow, state, t):
        return super().evidence(flow, state["u"], t)

    def advance(self, flow, state, *args):
        return {"u": super().advance(flow, state["u"], *args)}

    def latents(self, state):
        return super().latents(state["u"])


class OfFirstOrder(samplers.SDE2Sampler):
    def step(self, flow, state, distribution, t, t_next, seed=None):
        (inner, *_), embedding = state, flow.expected_embedding(distribution)
        inner = self.advance(flow, inner, embedding, t, t_next, seed)
        return inner, embedding, ops.convert_to_tensor(t, dtype="float32")


class CanBeChanged(samplers.SDE1Sampler):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


class WrongWidth(keras.layers.Layer):
    def build(self, input_shape):
        self.dense = keras.layers.Dense(2)
        self.dense.build(input_shape["theta"])

    def call(self, inputs):
        return self.dense(inputs["theta"])


class OwnDense(keras.layers.Layer):
    """No fault for classes, whose theta tells all: it ignores the time."""

    def build(self, input_shape):
        theta = input_shape["theta"]
        self.dense = keras.layers.Dense(theta[-1])
        self.dense.build(theta)

    def call(self, inputs):
        return self.dense(inputs["theta"])


class ExamplesSeeEachOther(OwnDense):
    def call(self, inputs):
        x = super().call(inputs)
        return x - ops.mean(x, axis=0, keepdims=True)


class BlindToTheta(OwnDense):
    def call(self, inputs):
        return self.dense(ops.ones_like(inputs["theta"])) * inputs["t"][:, None, None]


class IgnoresTheLast(OwnDense):
    def call(self, inputs):
        x = super().call(inputs)
        return ops.concatenate([x[:, :-1], ops.zeros_like(x[:, -1:])], axis=1)


class SeesEarlierExamples(OwnDense):
    def call(self, inputs):
        return ops.cumsum(super().call(inputs), axis=0)


class SeesTheMeanExample(OwnDense):
    def call(self, inputs):
        x = super().call(inputs)
        return x + 0.01 * ops.mean(x, axis=0, keepdims=True)


class SeesTheMeanTime(OwnDense):
    def call(self, inputs):
        return super().call(inputs) * (1.0 + ops.mean(inputs["t"]))


class TakesFour(OwnDense):
    def call(self, inputs):
        return ops.reshape(super().call(inputs), (4, 4, 3))


class TakesMoreThanOne(OwnDense):
    def call(self, inputs):
        return super().call(inputs) + ops.squeeze(inputs["t"])[:, None, None]


class BranchesOnTheTime(OwnDense):
    def call(self, inputs):
        x = super().call(inputs)
        return x if inputs["t"][0] > 0.5 else 2.0 * x


class TrainsOnNothing(OwnDense):
    def call(self, inputs, training=False):
        if training:
            raise RuntimeError("There is no training")
        return super().call(inputs)


class InfiniteAt0(OwnDense):
    def call(self, inputs):
        return super().call(inputs) / inputs["t"][:, None, None]


class NotSaved(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.dense = keras.layers.Dense(self.units)
        self.dense.build(input_shape["theta"])

    def call(self, inputs):
        return self.dense(inputs["theta"])

    def get_config(self):
        return {}


class NotTrained(networks.MLP):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.trainable = False


class Biased(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return uniform * uniform


class TooLate(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return 2.0 * uniform


class OfExamples(losses.ContinuousTimeLoss):
    def __call__(self, flow, x, prediction, seed=None):
        nats = super().__call__(flow, x, prediction, seed)
        return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=1)


class InfiniteWeight(losses.ContinuousTimeLoss):
    def __call__(self, flow, x, prediction, seed=None):
        return (
            super().__call__(flow, x, prediction, seed)
            / flows.expand(prediction.t, prediction.s)[..., 0]
        )


class UsesTheta(losses.ContinuousTimeLoss):
    """No fault: a term of mean zero that a prediction's theta determines."""

    def __call__(self, flow, x, prediction, seed=None):
        nats = super().__call__(flow, x, prediction, seed)
        return nats + 0.0 * ops.sum(prediction.theta, axis=-1)


class OnlyOfIntegers(losses.ContinuousTimeLoss):
    """No fault."""

    def __call__(self, flow, x, prediction, seed=None):
        if not flow.discrete:
            raise NotImplementedError("This loss is for integers")
        return super().__call__(flow, x, prediction, seed)


class NotOfClasses(losses.ContinuousTimeLoss):
    def __call__(self, flow, x, prediction, seed=None):
        if flow.theta_is_probs:
            raise NotImplementedError("This loss is not for classes")
        return super().__call__(flow, x, prediction, seed)


class DensityOfAnotherShare(losses.CrossEntropyLoss):
    def density(self, t):
        return losses.CrossEntropyLoss(share=0.45).density(t)


class NeverEarly(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return 0.05 + 0.95 * uniform

    def __call__(self, *args):
        return 0.95 * super().__call__(*args)


class NeverLate(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return 0.99 * uniform

    def __call__(self, *args):
        return 0.99 * super().__call__(*args)


class TooExpensive(losses.ContinuousTimeLoss):
    def __call__(self, *args):
        return 1.015 * super().__call__(*args)


class TwiceForNumbers(losses.ContinuousTimeLoss):
    def __call__(self, flow, *args):
        return (1.0 if flow.discrete else 2.0) * super().__call__(flow, *args)


class WithoutGradient(losses.ContinuousTimeLoss):
    def __call__(self, *args):
        return ops.stop_gradient(super().__call__(*args))


class AgainstTheGradient(losses.ContinuousTimeLoss):
    def __call__(self, *args):
        nats = super().__call__(*args)
        return 2.0 * ops.stop_gradient(nats) - nats


class MeanOfExamples(losses.ContinuousTimeLoss):
    def __call__(self, *args):
        nats = super().__call__(*args)
        return ops.broadcast_to(ops.mean(nats, axis=0, keepdims=True), ops.shape(nats))


class MeanOfVariables(losses.ContinuousTimeLoss):
    def __call__(self, *args):
        nats = super().__call__(*args)
        axes = tuple(range(1, len(nats.shape)))
        return ops.broadcast_to(ops.mean(nats, axis=axes, keepdims=True), ops.shape(nats))


class ForgetsTheSeed(losses.DiscreteTimeLoss):
    def __call__(self, flow, x, prediction, seed=None):
        return super().__call__(flow, x, prediction)


class SortsTimes(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return ops.reshape(ops.sort(ops.reshape(uniform, (-1,))), ops.shape(uniform))


class SortsTimesOfExamples(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return ops.sort(uniform) if len(uniform.shape) == 1 else uniform


class OneTimePerExample(losses.ContinuousTimeLoss):
    def times(self, uniform):
        (_,) = uniform.shape
        return uniform


class WeightsExamples(losses.ContinuousTimeLoss):
    def __call__(self, flow, x, prediction, seed=None):
        nats = super().__call__(flow, x, prediction, seed)
        (_,) = prediction.t.shape
        return nats


for _fault in list(vars().values()):
    if getattr(_fault, "__module__", None) == __name__ and hasattr(_fault, "get_config"):
        keras.saving.register_keras_serializable("keras_bfn_tests")(_fault)
