"""Verbs with all that they may be asked, by name, for each model of the pool.

A call is a function of a model and a seed. Its other arguments are drawn from small sets, made
once in a process, so that a program is compiled once for each. What is like another but for one
value, such as `Ink(1.5)` and `Ink(-1.5)`, is what wrong caches mistake for it.
"""

import functools

import keras
import numpy as np
from keras import ops

import keras_bfn
from keras_bfn import guidance, samplers
from keras_bfn.codec import Codec
from tests.metamorphic import pool

QUIET = {"verbose": 0}


class Ink(guidance.Guidance):
    """A likelihood whose strength, a number or an array of one, is an attribute of its own."""

    def __init__(self, strength, **options):
        super().__init__(**options)
        self.strength = strength

    def log_h(self, expected, **values):
        return ops.convert_to_tensor(self.strength, "float32") * _first(expected.data())

    def log_likelihood(self, expected, **values):
        return self.log_h(expected)


def _first(data):
    """The mean of what is expected of the data: of a dict, of its first part by name."""
    data = data[sorted(data)[0]] if isinstance(data, dict) else data
    data = ops.reshape(ops.cast(data, "float32"), (ops.shape(data)[0], -1))
    weights = ops.cos(ops.arange(data.shape[1], dtype="float32"))
    return ops.sum(data * weights, axis=1)


def make_function(strength):
    """A function that has the name of every other one that is made here."""

    def fn(data):
        return strength * _first(data)

    return fn


def bent(strength):
    """As `make_function`, of the time: a scale."""

    def scale(t):
        return 1.0 + strength * t

    return scale


class Pushed(samplers.SDE1Sampler):
    """The SDE sampler with a function of its own on each new state."""

    def __init__(self, push, **options):
        super().__init__(**options)
        self.push = push

    def step(self, flow, state, distribution, t, t_next, seed=None, shift=None):
        shift = () if shift is None else (shift,)
        return self.push(super().step(flow, state, distribution, t, t_next, seed, *shift))


def make_push(size):
    """A function of the name of others."""

    def push(s):
        return s + size

    return push


class Layered(samplers.SDE1Sampler):
    """The SDE sampler with a Keras layer on each new state."""

    def __init__(self, layer, **options):
        super().__init__(**options)
        self.layer = layer

    def step(self, flow, state, distribution, t, t_next, seed=None, shift=None):
        shift = () if shift is None else (shift,)
        state = super().step(flow, state, distribution, t, t_next, seed, *shift)
        return self.layer(state[..., None])[..., 0]


@functools.cache
def make_layer(size):
    """A Keras layer of the config of others, and other weights."""
    layer = keras.layers.Dense(1, use_bias=False, name="pushing")
    layer.build((None, 1))
    layer.set_weights([np.full((1, 1), size, "float32")])
    return layer


@functools.cache
def classifier(seed, name):
    """Keras models of one config and other weights."""
    size = guided_size(name)
    model = keras.Sequential(
        [keras.Input((size,)), keras.layers.Dense(3, "softmax", name="classes")], name="classifier"
    )
    rng = np.random.default_rng(seed)
    scale = 0.02 if name == "bins" else 1.0  # of which the expected data are large numbers
    model.set_weights([scale * rng.normal(size=w.shape) for w in model.weights])
    return model


def flat(data):
    """What a classifier of the pool takes."""
    data = data[sorted(data)[0]] if isinstance(data, dict) else data
    return ops.reshape(ops.cast(data, "float32"), (ops.shape(data)[0], -1))


@functools.cache
def guided_size(name):
    """How many numbers `flat` makes of the expected data of a kind."""
    kind = pool.kind_of(name)
    flow, shape = kind.flow, kind.event_shape
    if isinstance(flow, dict):
        first = sorted(flow)[0]
        flow, shape = flow[first], shape[first]
    x = ops.zeros((1, *shape, flow.output_size))
    s = ops.zeros((1, *shape, flow.embedding_size))
    found = flow.expected_data(flow.output_distribution(x, s, ops.ones(1)))
    return int(np.prod(found.shape[1:]))


@functools.cache
def guidances(name):
    """Guidances by name, which come in pairs that differ in one value."""
    made = {}
    for i, strength in enumerate((1.5, -1.5)):
        made[f"ink{i}"] = Ink(strength)
        made[f"function{i}"] = make_function(strength)
        made[f"scaled{i}"] = guidance.Guidance(make_function(1.0), scale=bent(strength))
        made[f"interval{i}"] = guidance.Guidance(make_function(2.0), interval=(0.5 * i, 1.0))
        made[f"values{i}"] = guidance.Guidance(
            lambda data, b: b * _first(data), {"b": np.full(pool.NUM, strength, "float32")}
        )
        made[f"near{i}"] = guidance.Constraint(_first, strength, 0.5)
        made[f"nearer{i}"] = guidance.Constraint(make_function(strength), 0.5, 0.5)
        made[f"class{i}"] = guidance.ClassifierGuidance(classifier(i, name), 1, preprocess=flat)
        made[f"target{i}"] = guidance.ClassifierGuidance(classifier(0, name), i, preprocess=flat)
        made[f"short{i}"] = Ink(strength, through_network=False)
        if not isinstance(pool.kind_of(name).flow, dict):
            A = np.full((1, guided_size(name)), strength, "float32")
            made[f"measured{i}"] = guidance.LinearInverse(A, [0.5], 0.5)
        made[f"draws{i}"] = guidance.Guidance(make_function(strength), num_draws=2 + i)
    made["both"] = made["ink0"] * made["near0"]
    made["both1"] = made["ink1"] * made["near0"]
    made["either"] = made["ink0"] + made["near0"]
    return made


@functools.cache
def options_of_samplers(name):
    """Samplers by name, with every option that the flow takes."""
    classes = {
        "ancestral": samplers.AncestralSampler,
        "sde1": samplers.SDE1Sampler,
        "sde2": samplers.SDE2Sampler,
        "ode1": samplers.ODE1Sampler,
        "ode2": samplers.ODE2Sampler,
    }
    made = {f"{key}_plain": key for key in classes}
    for key, cls in classes.items():
        made[f"{key}_late"] = cls(start=0.05)
        made[f"{key}_log"] = cls(start=0.05, spacing="log_beta")
        made[f"{key}_last"] = cls(end="last")
    made["sde1_quiet"] = samplers.SDE1Sampler(noise=0.5)
    made["sde2_quiet"] = samplers.SDE2Sampler(noise=0.5)
    made["sample_end"] = samplers.AncestralSampler(end="sample")
    if name in pool.DISCRETE:
        made["cool"] = samplers.AncestralSampler(temperature=0.5)
        made["cooler"] = samplers.AncestralSampler(temperature=0.25)
        made["top_k"] = samplers.SDE1Sampler(top_k=1)
        made["top_p"] = samplers.SDE1Sampler(top_p=0.5)
    for i, size in enumerate((0.5, -0.5)):
        made[f"pushed{i}"] = Pushed(make_push(size))
        made[f"layered{i}"] = Layered(make_layer(1.0 + size))
    return made


def _generate(num_steps=4, **options):
    def call(model, seed):
        return model.generate(pool.NUM, num_steps, seed=seed, **QUIET, **options)

    return call


def _after(change, run):
    """A call after a change of an object that it takes."""

    def call(model, seed):
        change()
        return run(model, seed)

    return call


def _call(verb, *args, **options):
    def call(model, seed):
        return getattr(model, verb)(*args, seed=seed, **QUIET, **options)

    return call


def _compress(x, condition, **options):
    def call(model, seed):
        codec = Codec(model, 3, seed=seed, **options)
        data = codec.compress(x, condition, **QUIET)
        pool.assert_same(codec.decompress(data, condition, **QUIET), x, "decompressed")
        return len(data)

    return call


def _encode_and_back(x, condition, sampler, **options):
    def call(model, seed):
        latents = model.encode(x, 3, sampler, condition=condition, seed=seed, **QUIET)
        back = model.generate(
            pool.NUM, 3, sampler, condition=condition, latents=latents, seed=seed, **QUIET
        )
        return latents, back

    return call


@functools.cache
def calls_of(name):
    """All calls of a kind, by name."""
    kind = pool.kind_of(name)
    condition = pool.draw_condition(name, 0)
    x, whole = pool.draw_data(name, 0), pool.draw_data(name, 0, missing=False)
    told = {} if condition is None else {"condition": condition}
    calls = {}
    for key, sampler in options_of_samplers(name).items():
        calls[f"generate:{key}"] = _generate(sampler=sampler, **told)
    for key, likelihood in guidances(name).items():
        calls[f"guided:{key}"] = _generate(2, guidance=likelihood, sampler="sde1", **told)
        if key.startswith(("ink", "function", "near", "class", "both")):
            calls[f"particles:{key}"] = _generate(
                2, guidance=likelihood, num_particles=2, return_details=True, **told
            )
            calls[f"inpaint_guided:{key}"] = _call(
                "inpaint", whole, _mask(whole), 2, guidance=likelihood, **told
            )
    shared, asked = Ink(np.zeros((), "float32")), classifier(2, name)
    reweighted = guidance.ClassifierGuidance(asked, 1, preprocess=flat)
    for i, strength in enumerate((1.5, -1.5)):
        calls[f"guided:changed{i}"] = _after(
            functools.partial(np.copyto, shared.strength, strength),
            _generate(2, guidance=shared, sampler="sde1", **told),
        )
        calls[f"guided:reweighted{i}"] = _after(
            functools.partial(asked.set_weights, classifier(i, name).get_weights()),
            _generate(2, guidance=reweighted, sampler="sde1", **told),
        )
    calls |= _generations(name, kind, condition, told, whole)
    data = pool.with_condition(x, condition)
    rng = np.random.default_rng(0)
    weight = pool.map_arrays(lambda x: rng.integers(0, 3, x.shape).astype("float32"), x)
    rows = np.arange(pool.NUM) % 3 / 2.0
    calls |= {
        "code_length": _call("code_length", data),
        "code_length:other": _call(
            "code_length", pool.with_condition(pool.draw_data(name, 1), condition)
        ),
        "code_length:steps3": _call("code_length", data, 3),
        "code_length:steps4": _call("code_length", data, 4),
        "code_length:repeats": _call("code_length", data, num_repeats=3),
        "code_length:batches": _call("code_length", data, batch_size=4),
        "code_length:weights": _call("code_length", data, sample_weight=weight),
        "code_length:rows": _call("code_length", data, sample_weight=rows),
        "loss_by_time": _call("loss_by_time", data, 3),
        "evaluate": _call("evaluate", data, return_dict=True),
        "evaluate:batches": _call("evaluate", data, batch_size=4, return_dict=True),
        "evaluate:weights": _call("evaluate", data, sample_weight=weight, return_dict=True),
        "inpaint": _call("inpaint", whole, _mask(whole), 3, **told),
        "inpaint:other": _call("inpaint", whole, _mask(whole, 1), 3, **told),
        "inpaint:statistics": _call(
            "inpaint", whole, _mask(whole), 3, num_particles=2, return_details=True, **told
        ),
        "inpaint:untwisted": _call(
            "inpaint", whole, _mask(whole), 3, num_particles=2, twisted=False, **told
        ),
        "train": _train(data),
        "fit": _fit(data),
    }
    for key in ("ode1_plain", "ode2_late", "ode2_log"):
        sampler = options_of_samplers(name)[key]
        calls[f"encode:{key}"] = _encode_and_back(whole, condition, sampler)
    if name in pool.DISCRETE:
        calls["compress"] = _compress(x, condition)
        calls["compress:batches"] = _compress(x, condition, batch_size=4)
    return calls


def _mask(x, seed=0):
    rng = np.random.default_rng([seed, 7])
    return pool.map_arrays(lambda x: rng.uniform(size=x.shape) < 0.5, x)


def _train(data):
    def call(model, seed):
        """One step from these weights; the optimizer, of plain gradients, keeps nothing."""
        before = model.network.get_weights()
        keras_bfn._random.start_from(model.seed_generator, seed)
        model.train_on_batch(data)
        after = model.network.get_weights()
        model.network.set_weights(before)
        return [new - old for new, old in zip(after, before, strict=True)]

    return call


def _fit(data):
    def call(model, seed):
        before = model.network.get_weights()
        keras_bfn._random.start_from(model.seed_generator, seed)
        model.fit(data, batch_size=4, epochs=2, shuffle=False, validation_data=data, **QUIET)
        after = model.network.get_weights()
        model.network.set_weights(before)
        return [new - old for new, old in zip(after, before, strict=True)]

    return call


def _guided_by(condition):
    """Calls with scales of a condition, and with their trajectories, whose numbers tell more."""
    scales = {
        "scale2": 2.0,
        "scale3": 3.0,
        "bent0": bent(1.0),
        "bent1": bent(-1.0),
        "between": guidance.ClassifierFreeGuidance(2.0, (0.2, 0.6)),
        "rescaled": guidance.ClassifierFreeGuidance(2.0, rescale=0.5),
    }
    calls = {}
    for key, scale in scales.items():
        told = {"condition": condition, "guidance_scale": scale}
        calls[f"generate:{key}"] = _generate(**told)
        calls[f"generate:trajectory_{key}"] = _generate(return_details=True, **told)
    return calls


def _generations(name, kind, condition, told, whole):
    calls = {
        "generate:batches": _generate(sampler="sde1", batch_size=4, **told),
        "generate:steps7": _generate(7, sampler="sde1", **told),
        "generate:trajectory": _generate(return_details=True, **told),
    }
    if condition is not None and keras_bfn._parts.names_of(kind.conditions) is None:
        if name != "gaps":
            calls |= _guided_by(condition) | {
                "generate:null": _generate(),
                "inpaint:scale2": _call(
                    "inpaint", whole, _mask(whole), 2, condition=condition, guidance_scale=2.0
                ),
            }
        calls["generate:one"] = _generate(condition=condition[:1].repeat(pool.NUM))
    if name == "vectors":
        calls |= {
            "generate:null": _generate(),
            "generate:some": _generate(condition={"z_class": condition["z_class"]}),
            **_guided_by(condition),
        }
    if name == "parts":
        x = pool.draw_data(name, 0)
        data = (x, condition)
        for given in (["size"], ["label"], ["label", "image"]):
            known = {key: x[key] for key in given}
            calls["generate:given_" + "_".join(given)] = _generate(2, given=known, **told)
            calls["code_length:given_" + "_".join(given)] = _call("code_length", data, known=given)
        some = {"image": whole["image"]}
        calls["inpaint:some"] = _call("inpaint", some, None, 2, **told)
        calls["generate:lengths"] = _generate(2, lengths={"label": 1}, **told)
    if name == "missing":
        calls["generate:lengths"] = _generate(lengths=3)
        calls["generate:lengths_each"] = _generate(lengths=np.arange(pool.NUM) % 5 + 1)
        calls["inpaint:lengths"] = _call("inpaint", whole, _mask(whole), 2, lengths=3)
    if name == "text":
        texts = {"ab": ["ab", "b"], "z": ["z", "zz"]}
        for key, prompt in texts.items():
            calls[f"continue_text:{key}"] = _call("continue_text", prompt, 3, 3)
        calls["generate_text"] = _call("generate_text", pool.NUM, 3, sampler="sde2")
    return calls
