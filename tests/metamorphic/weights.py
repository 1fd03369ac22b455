"""Weight 0, missing, masked, padded and left out are the same.

Where two calls draw the same noise they are compared as they are: costs are linear in the weights,
and what weighs nothing, or is missing, may hold anything. What is left out changes the shapes, and
so the noise; there the network sees no evidence and costs depend on no noise.
"""

import keras
import numpy as np
from keras import ops

import keras_bfn
from keras_bfn._parts import leave_out
from keras_bfn.codec import Codec
from tests.metamorphic import forms, pool
from tests.models.small import predict_at

QUIET = {"verbose": 0}
NAMES = tuple(pool.KINDS)
MAY_MISS = ("missing", "gaps", "parts")


def check(rng):
    """One case."""
    relations = [
        check_linear,
        check_weightless,
        check_missing_weighs,
        check_missing_rows,
        check_left_out,
        check_left_out_of_means,
        check_left_out_of_training,
        check_lengths,
        check_unknown,
        check_codec,
        check_left_out_parts,
        check_unseen,
    ]
    relations[rng.integers(len(relations))](rng)


def draw_case(rng, names=NAMES, missing=True):
    """A kind, its model with weights of a seed, data and conditions."""
    name = str(rng.choice(names))
    model = pool.set_weights(pool.model_of(name), int(rng.integers(3)))
    seed = int(rng.integers(50))
    x = pool.draw_data(name, seed, missing=missing)
    return name, model, x, pool.draw_condition(name, seed)


def total(nats):
    """Nats per example, of messages and data."""
    return np.asarray(nats["transmission"] + nats["reconstruction"], "float64")


def draw_weights(rng, x):
    """Weights of variables: of an array, or a dict of them; and how they are called."""
    return pool.map_arrays(lambda x: rng.integers(0, 4, x.shape) / 2.0, x)


def score(model, x, condition, weight=None, num_steps=None, **options):
    data = pool.with_condition(x, condition)
    return total(
        model.code_length(data, num_steps, sample_weight=weight, seed=0, **options, **QUIET)
    )


def logs_of(model, x, condition, weight=None, **options):
    data = pool.with_condition(x, condition)
    return model.evaluate(data, sample_weight=weight, return_dict=True, **options, **QUIET)


def step(model, x, condition, weight=None):
    """What one step changes in the weights."""
    before = model.network.get_weights()
    keras_bfn._random.start_from(model.seed_generator, 1)
    model.train_on_batch(pool.with_condition(x, condition), sample_weight=weight)
    after = model.network.get_weights()
    model.network.set_weights(before)
    return [new - old for new, old in zip(after, before, strict=True)]


VERBS = (score, logs_of, step)


def check_linear(rng):
    """Costs are linear in the weights, of variables, examples and parts."""
    name, model, x, condition = draw_case(rng)
    num_steps = [None, 2][rng.integers(2)]
    options = {"num_steps": num_steps, "num_repeats": int(rng.choice([1, 2]))}
    a, b = draw_weights(rng, x), draw_weights(rng, x)
    how = str(rng.choice(["variables", "examples", "parts"]))
    if how == "examples":
        a, b = (rng.integers(0, 4, pool.NUM) / 2.0 for _ in range(2))
    elif how == "parts" and isinstance(x, dict):
        a, b = {"label": a["label"]}, {"label": b["label"]}
    both = keras.tree.map_structure(lambda a, b: a + b, a, b)
    ones = keras.tree.map_structure(np.ones_like, a)
    if how == "parts" and isinstance(x, dict):
        # What has no weight of its own weighs 1.
        costs = [score(model, x, condition, w, **options) for w in (a, b, both)]
        zero = score(model, x, condition, {"label": 0.0 * a["label"]}, **options)
        pool.assert_same(costs[0] + costs[1], costs[2] + zero, f"{name}, {how}, {options}")
    else:
        costs = [score(model, x, condition, w, **options) for w in (a, b, both)]
        pool.assert_same(costs[0] + costs[1], costs[2], f"{name}, {how}, {options}")
    plain = score(model, x, condition, **options)
    found = score(model, x, condition, ones, **options)
    pool.assert_same(found, plain, f"{name}, weights of 1, {how}, {options}")


def change(rng, name, x, where):
    """Data with other values where an array, or a dict of arrays, is true."""
    other = pool.draw_data(name, int(rng.integers(50, 99)), missing=False)
    return keras.tree.map_structure(np.where, where, other, x)


def check_weightless(rng):
    """A row of weight 0 may hold anything: in `evaluate`, `code_length` and training."""
    name, model, x, condition = draw_case(rng)
    weight = rng.integers(0, 3, pool.NUM).astype("float32")
    weight[rng.integers(pool.NUM)] = 0.0
    weight[rng.integers(pool.NUM)] = 1.0
    if isinstance(x, dict):
        where = {key: _rows(weight == 0, values) for key, values in x.items()}
    else:
        where = _rows(weight == 0, x)
    other = change(rng, name, x, where)
    form = str(rng.choice(["rows", "columns", "variables", "bool"]))
    told = weight
    if form == "columns":
        told = weight[:, None]
    elif form == "variables":
        told = pool.map_arrays(lambda x: np.where(_rows(weight > 0, x), 1.0, 0.0), x)
    elif form == "bool":
        told = weight > 0
    what = f"{name}, weights of rows as {form}"
    for verb in VERBS:
        options = {} if verb is step else {"batch_size": int(rng.choice([4, 6]))}
        expected, found = (verb(model, data, condition, told, **options) for data in (x, other))
        pool.assert_same(found, expected, f"{what}, {verb.__name__}, {options}")
        if verb is score:
            assert np.all(found[weight == 0] == 0), f"{what}: {found}"


def _rows(rows, x):
    """A condition on rows, shaped as the data."""
    return np.broadcast_to(rows.reshape(-1, *[1] * (x.ndim - 1)), x.shape)


def check_missing_weighs(rng):
    """What is missing costs nothing, whatever its weight, and whatever stands for it."""
    name, model, x, condition = draw_case(rng, MAY_MISS)
    gone = pool.map_arrays(lambda x: np.isnan(x) if x.dtype.kind == "f" else x == -1, x)
    weight = keras.tree.map_structure(
        lambda gone, x: np.where(gone, rng.integers(0, 4, x.shape), 1.0), gone, x
    )
    zero = keras.tree.map_structure(lambda gone: np.where(gone, 0.0, 1.0), gone)
    num_steps = [None, 2][rng.integers(2)]
    for verb in VERBS:
        options = {"num_steps": num_steps} if verb is score else {}
        expected = verb(model, x, condition, **options)
        for given in (weight, zero):
            found = verb(model, x, condition, given, **options)
            what = f"{name}, {verb.__name__}, {options}, weights of what is missing"
            pool.assert_same(found, expected, what)


def check_missing_rows(rng):
    """A row that is missing as a whole costs nothing, and is in no mean over variables."""
    name, model, x, condition = draw_case(rng, MAY_MISS)
    rows = np.zeros(pool.NUM, bool)
    rows[rng.choice(pool.NUM, 2, replace=False)] = True

    def leave(x):
        nothing = np.asarray(np.nan if x.dtype.kind == "f" else -1, x.dtype)
        return np.where(_rows(rows, x), nothing, x)

    empty = pool.map_arrays(leave, x)
    what = f"{name}, rows {np.flatnonzero(rows)} missing"
    weight = np.where(rows, 0.0, 1.0)
    for verb in VERBS:
        expected = verb(model, x, condition, weight)
        found = verb(model, empty, condition)
        pool.assert_same(found, expected, f"{what}, {verb.__name__}")


def check_left_out(rng):
    """`evaluate` of rows of weight 0, and without these rows, in batches of any size."""
    name, model, x, condition = forms.blind_case(rng)
    weight = rng.integers(0, 3, pool.NUM).astype("float32")
    kept = weight > 0
    if not kept.any():
        weight[0], kept[0] = 1.0, True
    batch_size = int(rng.choice([4, 6]))
    x, condition = _pad(rng, name, x, condition, kept)
    logs = logs_of(model, x, condition, weight, batch_size=batch_size)
    rows = np.flatnonzero(kept)
    others = logs_of(
        model, forms.take(x, rows), forms.take(condition, rows), weight[rows], batch_size=batch_size
    )
    key = "reconstruction"
    pool.assert_same(logs[key], others[key], f"{name}, weights {weight}, batches of {batch_size}")
    nats = model.code_length(pool.with_condition(x, condition), 1, seed=0, **QUIET)
    sizes = _num_there(x)
    mean = (weight * nats[key]).sum() / (weight * sizes).sum()
    pool.assert_same(logs[key], mean, f"{name}, weights {weight}: evaluate and code_length")


def check_left_out_of_means(rng):
    """All that `evaluate` reports, of rows of weight 0, and without these rows."""
    name = str(rng.choice(["continuous", "gaps"]))
    model = forms.make_blind_in_one_step(name)
    forms.set_blind_weights(model, int(rng.integers(3)))
    seed = int(rng.integers(50))
    x, condition = pool.draw_data(name, seed), pool.draw_condition(name, seed)
    x[:, 0] = pool.draw_data(name, seed, missing=False)[:, 0]  # no row is missing as a whole
    kept = rng.uniform(size=pool.NUM) < 0.6
    kept[rng.integers(pool.NUM)] = True
    rows, weight = np.flatnonzero(kept), kept.astype("float32")
    if rng.uniform() < 0.5:
        weight = np.array(_rows(weight, x))
    options = {"batch_size": int(rng.choice([4, 6]))}
    expected = logs_of(model, forms.take(x, rows), forms.take(condition, rows), **options)
    found = logs_of(model, *_pad(rng, name, x, condition, kept), weight, **options)
    what = f"{name}, rows {rows} kept, weights of {weight.ndim} axes, {options}"
    pool.assert_same(found, expected, what)


def _num_there(x):
    gone = np.isnan(x) if x.dtype.kind == "f" else x == -1
    return (~gone).reshape(len(x), -1).sum(axis=1)


def _pad(rng, name, x, condition, kept):
    """Other contents in the rows that are not kept."""
    other = pool.draw_data(name, int(rng.integers(50, 99)))
    return np.where(_rows(kept, x), x, other), condition


def check_left_out_of_training(rng):
    """A step on rows of weight 0, on rows that are missing, and without these rows."""
    name = str(rng.choice(["continuous", "gaps"]))
    model = forms.make_blind_in_one_step(name)
    forms.set_blind_weights(model, int(rng.integers(3)))
    seed = int(rng.integers(50))
    x, condition = pool.draw_data(name, seed), pool.draw_condition(name, seed)
    kept = np.ones(pool.NUM, bool)
    kept[rng.choice(pool.NUM, 2, replace=False)] = False
    rows = np.flatnonzero(kept)
    weight = np.where(kept, 1.0, 0.0)

    def gradient(*args):
        return step(model, *args)

    # Of a mean over the batch: weights that sum to fewer examples change its size alone.
    expected = gradient(forms.take(x, rows), forms.take(condition, rows))
    given = gradient(_pad(rng, name, x, condition, kept)[0], condition, weight)
    what = f"{name}, rows {rows} kept"
    pool.assert_same(given, expected, f"{what}: weights of 0")
    if name == "gaps":
        empty = np.where(_rows(kept, x), x, np.float32("nan"))
        pool.assert_same(gradient(empty, condition), expected, f"{what}: missing")
    # In pieces: weights of variables, and one of rows.
    variables = np.broadcast_to(weight[:, None], x.shape)
    pool.assert_same(gradient(x, condition, variables), expected, f"{what}: variables of weight 0")
    order = rng.permutation(rows)
    found = gradient(forms.take(x, order), forms.take(condition, order))
    pool.assert_same(found, expected, f"{what}: in another order")


def check_lengths(rng):
    """Sequences of the longest length are those without lengths; one length, or as many."""
    name, model, _, condition = draw_case(rng, ["missing", "parts"])
    longest = 5 if name == "missing" else 2
    in_parts = name == "parts"

    def run(lengths):
        lengths = {"label": lengths} if in_parts and lengths is not None else lengths
        sampler = "sde1"
        found = model.generate(
            pool.NUM, 2, sampler, condition=condition, lengths=lengths, seed=0, **QUIET
        )
        return found

    pool.assert_same(run(longest), run(None), f"{name}, longest")
    length = int(rng.integers(1, longest + 1))
    expected = run(length)
    pool.assert_same(run(np.full(pool.NUM, length)), expected, f"{name}, {length}")
    tokens = expected["label"] if in_parts else expected
    assert (tokens[:, length:] == -1).all() and (tokens[:, :length] >= 0).all(), (name, length)  # noqa: PT018
    lengths = rng.integers(1, longest + 1, pool.NUM)
    lengths[:3] = length
    found = run(lengths)
    first = pool.map_arrays(lambda x: x[:3], expected)
    pool.assert_same(pool.map_arrays(lambda x: x[:3], found), first, f"{name}, {lengths}")


def check_unseen(rng):
    """Of what is missing, or beyond the lengths, the network is shown what it is shown at first."""
    name, model, x, condition = draw_case(rng, MAY_MISS)
    tensors = pool.map_arrays(ops.convert_to_tensor, x)
    told = pool.map_arrays(ops.convert_to_tensor, condition)
    at_first = predict_at(model, tensors, ops.zeros((pool.NUM,)), condition=told)
    evaluated = model(tensors if told is None else (tensors, told))["reconstruction"]
    predictions = [evaluated, at_first]
    predictions = [one if isinstance(x, dict) else {"": one} for one in predictions]
    parts = x if isinstance(x, dict) else {"": x}
    for key, values in parts.items():
        gone = np.isnan(values) if values.dtype.kind == "f" else values == -1
        theta, first = (ops.convert_to_numpy(one[key].theta)[gone] for one in predictions)
        pool.assert_same(theta, first, f"{name}, theta{key} of what is missing")
    if name != "missing":
        return
    lengths = rng.integers(1, 6, pool.NUM)
    latents = rng.normal(size=(pool.NUM, 5, 4)).astype("float32")
    beyond = np.arange(5) >= lengths[:, None]
    others = np.where(beyond[..., None], rng.normal(size=latents.shape), latents)
    expected, found = (
        model.generate(pool.NUM, 3, "ode1", latents=latents, lengths=lengths, **QUIET)
        for latents in (latents, others.astype("float32"))
    )
    pool.assert_same(found, expected, f"{name}, other latents beyond {lengths}")


def check_unknown(rng):
    """What `inpaint` is given where nothing is known changes nothing; what is known stays."""
    name, model, x, condition = draw_case(rng, missing=False)
    mask = pool.map_arrays(lambda x: rng.uniform(size=x.shape) < 0.5, x)
    other = change(rng, name, x, pool.map_arrays(np.logical_not, mask))
    num_particles = int(rng.choice([1, 2]))

    def run(x, mask):
        return model.inpaint(
            x, mask, 2, num_particles=num_particles, condition=condition, seed=0, **QUIET
        )

    expected, what = run(x, mask), f"{name}, {num_particles} particles"
    pool.assert_same(run(other, mask), expected, f"{what}, other values where unknown")

    def hide(x, mask):
        return np.where(mask, x, np.asarray(np.nan if x.dtype.kind == "f" else -1, x.dtype))

    hidden = keras.tree.map_structure(hide, x, mask)
    pool.assert_same(run(hidden, None), expected, f"{what}, missing for unknown")
    known = keras.tree.map_structure(lambda x, found, m: found[m] == x[m], x, expected, mask)
    assert all(np.all(k) for k in keras.tree.flatten(known)), f"{what}: known values changed"
    everything = keras.tree.map_structure(np.ones_like, mask)
    pool.assert_same(run(x, everything), x, f"{what}, all known")
    if isinstance(x, dict):
        nothing = {**mask, "image": np.zeros_like(mask["image"])}
        expected = run(x, nothing)
        found = run(leave_out(("image",), x), leave_out(("image",), mask))
        pool.assert_same(found, expected, f"{what}, a part left out")


def check_codec(rng):
    """Missing variables come back and take no bits; a file of more batches holds the same."""
    name, model, x, condition = draw_case(rng, ["missing"])
    codec = Codec(model, 2, seed=int(rng.integers(3)))

    def size(x):
        data, report = codec.compress(x, condition, return_report=True, **QUIET)
        pool.assert_same(codec.decompress(data, condition, **QUIET), x, f"{name}, decompressed")
        return report

    report = size(x)
    empty = np.full_like(x, -1)
    nothing = size(np.concatenate([x, empty]))
    # The rows that are missing cost their place in the header, and initial bits where others of
    # the examples are sent in messages now; no word more of the payload.
    payload, longer = (r["total_bits"] - r["header_bits"] for r in (report, nothing))
    longer -= max(0, nothing["initial_bits"])
    assert longer <= payload + 64, f"{name}: {longer} bits for {payload}, rows that are missing"


def check_left_out_parts(rng):
    """Costs by parts, given others, and of weights 0: one and the same."""
    _, model, x, condition = draw_case(rng, ["parts"])
    data = (x, condition)
    given = [str(key) for key in rng.choice(sorted(x), int(rng.integers(1, 3)), replace=False)]
    options = {"num_steps": [None, 2][rng.integers(2)], "seed": 0, **QUIET}
    nats = model.code_length(data, known=given, **options)
    weight = {key: np.zeros(pool.NUM) for key in given}
    weighted = model.code_length(data, known=given, sample_weight=weight, **options)
    pool.assert_same(weighted, nats, f"given {given}, with weights 0")
    plain = model.code_length(data, **options)
    zero = model.code_length(data, sample_weight=weight, **options)
    for key in x:
        for loss in ("transmission", "reconstruction"):
            expected = plain["parts"][key][loss] * (key not in given)
            pool.assert_same(zero["parts"][key][loss], expected, f"{key}, weights 0 of {given}")
    sums = sum(total(part) for part in zero["parts"].values())
    pool.assert_same(total(zero), sums, "the sum of the parts")
    order = {key: x[key] for key in rng.permutation(sorted(x))}
    found = model.code_length((order, condition), known=given[::-1], **options)
    pool.assert_same(found, nats, f"given {given}, in another order")
