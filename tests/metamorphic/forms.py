"""The form of what is given changes nothing: dtypes, containers, strides, keys, batches, rows.

Of results that depend on noise, the same seed draws the same: then they are equal. Other rows,
and other sizes of a batch, draw other noise; so these are asked of what depends on no noise: a
deterministic sampler from given latents, or costs under a network that sees no evidence.
"""

import functools
import math

import keras
import numpy as np
import pandas as pd
from keras import ops

import keras_bfn
from keras_bfn import samplers
from keras_bfn._parts import map_parts
from keras_bfn.codec import Codec
from tests.metamorphic import calls, pool

NAMES = tuple(pool.KINDS)
QUIET = {"verbose": 0}
BATCHES = {"batch_size": 4}  # of which the last is not full
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")


def check(rng):
    """One case."""
    relations = {
        check_form: 4,
        check_narrow: 1,
        check_nulls: 2,
        check_rows: 2,
        check_batches: 2,
        check_pipeline: 2,
        check_order: 2,
    }
    shares = np.array(list(relations.values())) / sum(relations.values())
    list(relations)[rng.choice(len(relations), p=shares)](rng)


# Forms of an array with the same values.


def dtypes_that_hold(x, role):
    """The dtypes that have every value of an array, and that are right for what it is."""
    if role == "mask":
        return ["bool"]
    if x.dtype.kind == "f" and (role == "data" or not np.array_equal(x, np.round(x))):
        return [d for d in FLOATS if np.array_equal(x.astype(d).astype(x.dtype), x, equal_nan=True)]
    low, high = x.min(), x.max()
    fits = [d for d in INTEGERS if np.iinfo(d).min <= low and high <= np.iinfo(d).max]
    if role == "numbers":
        fits += FLOATS
    # Classes and lengths are counted, and no booleans.
    return fits + (["bool"] if role in ("data", "numbers") and np.isin(x, (0, 1)).all() else [])


def to_form(rng, x, containers, role):
    """An array in another dtype, container or layout, and how it is called."""
    dtype = str(rng.choice(dtypes_that_hold(x, role)))
    form = str(rng.choice(containers))
    x = x.astype(dtype)
    made = {
        "numpy": lambda: x,
        "list": x.tolist,
        "fortran": lambda: np.asfortranarray(x),
        "strided": lambda: np.repeat(x, 2, axis=0)[::2],
        "reversed": lambda: x[::-1].copy()[::-1],
        "swapped": lambda: x.astype(x.dtype.newbyteorder()),
        "readonly": lambda: _readonly(x),
        "tensor": lambda: ops.convert_to_tensor(x),
        "frame": lambda: _frame(rng, x),
    }
    if form == "tensor" and dtype in ("uint16", "uint32", "uint64"):
        form = "numpy"  # of which PyTorch has few operations, and others none
    if form == "list" and dtype.startswith("float"):
        dtype = "float64"
    return made[form](), f"{form} of {dtype}"


def _readonly(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def _frame(rng, x):
    if x.ndim > 2:
        return x
    index = rng.permutation(len(x)) + 10
    return pd.Series(x, index=index) if x.ndim == 1 else pd.DataFrame(x, index=index)


CONTAINERS = ("numpy", "list", "fortran", "strided", "reversed", "swapped", "readonly", "tensor")


def draw_forms(rng, nest, containers, role):
    """Each array of a nest in a form of its own; keys of dicts in another order."""
    told = []

    def convert(value):
        if isinstance(value, dict):
            names = list(value)
            if rng.uniform() < 0.5:
                names = list(rng.permutation(names))
            return {name: convert(value[name]) for name in names}
        if value is None:
            return None
        own = "numbers" if role == "condition" and value.dtype.kind == "f" else role
        form, what = to_form(rng, value, containers, own)
        told.append(what)
        return form

    return convert(nest), told


def rounded(x):
    """Data whose floats every float dtype holds."""
    return pool.map_arrays(
        lambda x: x.astype("float16").astype(x.dtype) if x.dtype.kind == "f" else x, x
    )


def in_range(name, x):
    """Data of the kind again, where rounding may have left it."""

    def clip(flow, x):
        low, high = flow.data_range
        return (
            x
            if flow.discrete
            else np.clip(x, low * 0.99, high * 0.99).astype("float16").astype("float32")
        )

    return map_parts(clip, pool.kind_of(name).flow, x)


def draw_case(rng, missing=True, names=NAMES):
    """A kind, its model with weights of a seed, data and conditions."""
    name = str(rng.choice(names))
    model = pool.set_weights(pool.model_of(name), int(rng.integers(3)))
    seed = int(rng.integers(50))
    x = in_range(name, pool.draw_data(name, seed, missing=missing and rng.uniform() < 0.7))
    if rng.uniform() < 0.4:  # then more dtypes hold it
        x = pool.map_arrays(lambda x: np.minimum(x, 1) if x.dtype.kind == "i" else x, x)
    condition = rounded(pool.draw_condition(name, seed))
    return name, model, x, condition


def check_form(rng):
    """Every verb, of the same values in another form."""
    name, model, x, condition = draw_case(rng)
    verbs = [_code_length, _evaluate, _encode, _inpaint, _generate, _train, _weighted]
    if name in pool.DISCRETE:
        verbs.append(_compress)
    if name == "parts":
        verbs.append(_given)
    if name in ("missing", "parts"):
        verbs.append(_lengths)
    verb = verbs[rng.integers(len(verbs))]
    containers = CONTAINERS
    if verb in (_evaluate, _train, _weighted):
        containers = tuple(c for c in CONTAINERS if c != "list")
    kind = pool.kind_of(name)
    simple = not isinstance(kind.event_shape, dict) and len(kind.event_shape) == 1
    if simple and not isinstance(condition, dict) and verb in (_code_length, _encode, _inpaint):
        containers = (*containers, "frame")
    extra = draw_extra(rng, verb, name, x)
    given = (x, condition, extra)
    roles = {_inpaint: "mask", _lengths: "lengths", _weighted: "numbers"}
    roles = "data", "condition", roles.get(verb, "data")
    pairs = zip(given, roles, strict=True)
    formed, told = zip(
        *(draw_forms(rng, *pair[:1], containers, pair[1]) for pair in pairs), strict=True
    )
    expected = verb(model, *given)
    what = f"{name}, {verb.__name__}, {told}"
    found = verb(model, *formed)
    pool.assert_same(found, expected, what)


def check_narrow(rng):
    """What is drawn may be more than the dtype of what is known can hold."""
    name, model, x, _ = draw_case(rng, missing=False, names=["bins", "classes", "text", "binary"])
    x, mask = np.minimum(x, 1), rng.uniform(size=x.shape) < 0.5
    dtype = str(rng.choice(["bool", "int8", "uint8"]))
    expected = _inpaint(model, x.astype("int32"), None, mask)
    found = _inpaint(model, x.astype(dtype), None, mask)
    pool.assert_same(found, expected, f"{name}, inpaint, {dtype}")


def check_nulls(rng):
    """A null condition is the same beside conditions of any dtype, and where none is given."""
    name, model, x, condition = draw_case(rng, names=["conditional", "vectors", "parts"])
    verb = [_generate, _train][rng.integers(2)]
    formed, told = draw_forms(rng, condition, CONTAINERS[:1], "condition")
    expected, found = (verb(model, x, given, None) for given in (condition, formed))
    pool.assert_same(found, expected, f"{name}, {verb.__name__}, conditions {told}")
    nulls = map_parts(
        lambda one, null: np.stack([np.asarray(null, one.dtype)] * pool.NUM),
        condition,
        model.null_condition,
    )
    options = {"sampler": "ode1", "seed": 1, **QUIET}
    expected = model.generate(pool.NUM, 2, condition=nulls, **options)
    found = model.generate(pool.NUM, 2, **options)
    pool.assert_same(found, expected, f"{name}, without a condition")
    if name == "vectors":  # training drops one of the two, and so does guidance
        nulls["a_vector"] = formed["a_vector"]
        expected = model.generate(pool.NUM, 2, condition=nulls, **options)
    found = model.generate(pool.NUM, 2, condition=formed, guidance_scale=0.0, **options)
    _assert_mostly(found, expected, f"{name}, conditions {told} of the scale 0")


def draw_extra(rng, verb, name, x):
    """What else a verb takes: masks, weights, lengths."""
    if verb is _inpaint:
        # Of what is missing nothing is known.
        return pool.map_arrays(
            lambda x: (rng.uniform(size=x.shape) < 0.5) & ~(np.isnan(x) | (x == -1)), x
        )
    if verb is _weighted:
        return pool.map_arrays(lambda x: rng.integers(0, 3, x.shape).astype("float32"), x)
    if verb is _lengths:
        longest = 5 if name == "missing" else 2
        return rng.integers(1, longest + 1, pool.NUM)
    if verb is _given:
        return {key: x[key] for key in rng.choice(sorted(x), 2, replace=False)}
    return None


def _code_length(model, x, condition, extra):
    return model.code_length(pool.with_condition(x, condition), 3, seed=1, **QUIET, **BATCHES)


def _evaluate(model, x, condition, extra):
    return model.evaluate(pool.with_condition(x, condition), return_dict=True, **QUIET)


def _weighted(model, x, condition, extra):
    data = pool.with_condition(x, condition)
    weight = extra
    return model.code_length(data, 3, sample_weight=weight, seed=1, **QUIET, **BATCHES)


def _encode(model, x, condition, extra):
    return model.encode(x, 2, condition=condition, seed=1, **QUIET, **BATCHES)


def _inpaint(model, x, condition, extra):
    found = model.inpaint(x, extra, 2, condition=condition, seed=1, **QUIET, **BATCHES)
    return pool.map_arrays(lambda x: np.asarray(x, "float64"), found)


def _generate(model, x, condition, extra):
    options = {"sampler": "sde1", "seed": 1, **QUIET, **BATCHES}
    if condition is not None and model.null_condition is not None:
        options["guidance_scale"] = 2.0
    if condition is not None and not model.condition_dropout:
        options.pop("guidance_scale", None)
    return model.generate(pool.NUM, 2, condition=condition, **options)


def _lengths(model, x, condition, extra):
    lengths = {"label": extra} if isinstance(model.flow, dict) else extra
    return model.generate(pool.NUM, 2, condition=condition, lengths=lengths, seed=1, **QUIET)


def _given(model, x, condition, extra):
    found = model.generate(pool.NUM, 2, given=extra, condition=condition, seed=1, **QUIET)
    return pool.map_arrays(lambda x: np.asarray(x, "float64"), found)


def _train(model, x, condition, extra):
    return calls._train(pool.with_condition(x, condition))(model, 1)


def _compress(model, x, condition, extra):
    codec = Codec(model, 3)
    data = codec.compress(x, condition, **QUIET)
    back = codec.decompress(data, condition, **QUIET)
    pool.assert_same(back, keras_bfn._validation.to_numpy(x), "decompressed")
    back = np.asarray(back)
    return back.astype("int64")


# Networks that see no evidence: costs depend on no noise.


def make_blind(name):
    """The one model of a kind whose network sees the condition alone."""
    return pool.model_of(name, shortcut=False)


@functools.cache
def make_blind_in_one_step(name):
    """As `make_blind`, to be trained on one message: its cost depends on no noise either."""
    model = pool.make_model(name, shortcut=False)
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, loss=keras_bfn.losses.DiscreteTimeLoss(1))
    return model


def set_blind_weights(model, seed):
    """Weights with which neither the evidence nor the time changes the output."""
    pool.set_weights(model, seed)
    first = True
    for layer in model.network.layers:
        if not layer.weights:
            continue
        kernel = layer.weights[0]
        if layer.name == "time_dense_1":
            kernel.assign(np.zeros(kernel.shape))
        elif layer.name.startswith("dense") and first and "time" not in layer.name:
            kernel.assign(np.zeros(kernel.shape))
            first = False
        elif layer.name == "output_projection":
            width = model.network.width
            values = np.array(ops.convert_to_numpy(kernel))
            values[: len(values) - width] = 0.0
            kernel.assign(values)
    return model


BLIND = ("binary", "classes", "continuous", "angles", "conditional", "vectors", "gaps", "text")


def blind_case(rng, names=BLIND, **options):
    """A kind, its blind model, data and conditions."""
    name = str(rng.choice(names))
    model = set_blind_weights(make_blind(name), int(rng.integers(3)))
    seed = int(rng.integers(50))
    return name, model, pool.draw_data(name, seed, **options), pool.draw_condition(name, seed)


def take(nest, rows):
    """Rows of each array of a nest."""
    return pool.map_arrays(lambda x: x[rows], nest)


def check_order(rng):
    """Rows in another order: results in that order; and what is a mean, the same."""
    name, model, x, condition = blind_case(rng)
    rows = rng.permutation(pool.NUM)
    weight = rng.integers(0, 3, pool.NUM).astype("float32")
    if rng.uniform() < 0.5:
        weight = rng.integers(0, 3, x.shape).astype("float32")
    data, other = (pool.with_condition(take(x, r), take(condition, r)) for r in (slice(None), rows))
    what = f"{name}, rows {rows}, weights {weight.ndim - 1}"

    def reconstruction(data, weight):
        options = {"seed": 0, "batch_size": int(rng.choice([4, 6])), **QUIET}
        nats = model.code_length(data, 1, sample_weight=weight, **options)
        return nats["reconstruction"]

    expected = reconstruction(data, weight)
    pool.assert_same(reconstruction(other, weight[rows]), expected[rows], what)
    batch = int(rng.choice([4, 6]))
    options = {"batch_size": batch, "return_dict": True, **QUIET}
    logs = model.evaluate(data, sample_weight=weight, **options)
    others = model.evaluate(other, sample_weight=weight[rows], **options)
    pool.assert_same(
        others["reconstruction"], logs["reconstruction"], f"{what}, evaluate in {batch}"
    )
    size = weight.sum() if weight.ndim > 1 else weight.sum() * math.prod(x.shape[1:])
    if not (name == "gaps" or weight.ndim == 1):
        mean = expected.sum() / max(size, 1)
        pool.assert_same(logs["reconstruction"], mean, f"{what}: evaluate and code_length")


def check_rows(rng):
    """What a row gives depends on no other row."""
    name, model, x, condition = draw_case(rng, missing=False)
    kept = rng.uniform(size=pool.NUM) < 0.5
    kept[rng.integers(pool.NUM)] = True
    seed = int(rng.integers(50, 99))
    others = in_range(name, pool.draw_data(name, seed, missing=False))
    other_conditions = rounded(pool.draw_condition(name, seed))

    def mix(values, others):
        def choose(a, b):
            return np.where(kept.reshape(-1, *[1] * (a.ndim - 1)), a, b)

        if isinstance(values, dict):
            return {key: choose(values[key], others[key]) for key in values}
        return None if values is None else choose(values, others)

    verbs = [_code_length, _encode, _inpaint, _generate, _weighted]
    if name in ("missing", "parts"):
        verbs.append(_lengths)
    verb = verbs[rng.integers(len(verbs))]
    extra = draw_extra(rng, verb, name, x)
    other_extra = draw_extra(rng, verb, name, x)
    expected = verb(model, x, condition, extra)
    found = verb(model, mix(x, others), mix(condition, other_conditions), mix(extra, other_extra))
    what = f"{name}, {verb.__name__}: rows {np.flatnonzero(kept)} beside others"
    pool.assert_same(take(found, kept), take(expected, kept), what)


def check_batches(rng):
    """A deterministic sampler from given latents: batches and the order of rows change nothing."""
    name = str(rng.choice(NAMES))
    model = pool.set_weights(pool.model_of(name), int(rng.integers(3)))
    kind, seed = pool.kind_of(name), int(rng.integers(50))
    condition = pool.draw_condition(name, seed)
    sampler = ["ode1", "ode2", samplers.ODE2Sampler(start=0.05, spacing="log_beta")][
        rng.integers(3)
    ]
    latents = map_parts(
        lambda flow, shape: (
            rng.normal(size=(pool.NUM, *shape, flow.embedding_size)).astype("float32")
            * math.sqrt(flow.gain)
        ),
        kind.flow,
        kind.event_shape,
    )
    lengths = None
    if name == "missing":
        lengths = rng.integers(1, 6, pool.NUM)
    told = {} if condition is None or not model.condition_dropout else {"guidance_scale": 2.0}

    def run(rows, **options):
        return model.generate(
            len(rows), 3, sampler, condition=take(condition, rows), latents=take(latents, rows),
            lengths=None if lengths is None else lengths[rows], seed=0, **told, **options, **QUIET,
        )  # fmt: skip

    everyone = np.arange(pool.NUM)
    expected = run(everyone)
    rows = rng.permutation(pool.NUM)
    found = run(rows, batch_size=int(rng.choice([1, 4, 6])))
    what = f"{name}, {sampler}, latents of rows {rows}"
    if name in pool.DISCRETE or name == "parts":
        return _assert_mostly(found, take(expected, rows), what)
    return pool.assert_same(found, take(expected, rows), what, 1e-4)


def _assert_mostly(found, expected, what):
    """Integers: another size of a batch may round another way, and change one variable's mode."""
    pairs = zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True)
    different = sum(int(np.sum(~np.isclose(a, b, 0, 1e-3, equal_nan=True))) for a, b in pairs)
    assert different <= 1, f"{what}: {different} are others"


def check_pipeline(rng):
    """`fit` and `evaluate` of batches in any pipeline, and of arrays."""
    name, model, x, condition = draw_case(rng)
    data = pool.with_condition(x, condition)
    sizes = 3
    weight = None
    if rng.uniform() < 0.4:
        weight = rng.integers(0, 3, pool.NUM).astype("float32")
        if rng.uniform() < 0.5 and not isinstance(x, dict):
            weight = rng.integers(0, 3, x.shape).astype("float32")
    form = str(rng.choice(["tf", "pydataset", "loader", "generator"]))
    what = f"{name}, {form}, weights {None if weight is None else weight.ndim}"
    verb = str(rng.choice(["evaluate", "fit"]))

    def run(data, **options):
        before = model.network.get_weights()
        keras_bfn._random.start_from(model.seed_generator, 3)
        if verb == "evaluate":
            return model.evaluate(data, return_dict=True, **options, **QUIET)
        model.fit(data, shuffle=False, **options, **QUIET)
        after = model.network.get_weights()
        model.network.set_weights(before)
        # Costs of hundreds of nats move weights far, up to the rounding of other graphs.
        steps = [new - old for new, old in zip(after, before, strict=True)]
        farthest = max(1.0, *(np.abs(step).max() for step in steps))
        return [step / farthest for step in steps]

    expected = run(data, batch_size=sizes, sample_weight=weight)
    found = run(make_pipeline(form, data, weight, sizes))
    pool.assert_same(found, expected, f"{verb}: {what}", 1e-4 if verb == "fit" else 1e-5)


def make_pipeline(form, data, weight, size):
    """Batches of arrays."""
    num = pool.NUM
    batches = []
    for start in range(0, num, size):
        rows = slice(start, start + size)
        one = keras.tree.map_structure(lambda x, rows=rows: x[rows], data)
        w = None if weight is None else weight[rows]
        batches.append((one,) if w is None else (one, w, w))
    if form == "generator":
        return iter(batches)
    if form == "pydataset":
        return _Batches(batches)
    if form == "tf":
        import tensorflow as tf

        whole = (data,) if weight is None else (data, weight, weight)
        return tf.data.Dataset.from_tensor_slices(whole).batch(size)
    import torch

    whole = (data,) if weight is None else (data, weight, weight)
    rows = [keras.tree.map_structure(lambda x, i=i: x[i], whole) for i in range(num)]
    return torch.utils.data.DataLoader(rows, batch_size=size)


class _Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    @property
    def num_batches(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]
