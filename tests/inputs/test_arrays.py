"""Bad input is refused before work starts, with a message that says what came."""

import keras
import numpy as np
import pytest

import keras_bfn
from tests.models.small import EVENT_SHAPE, FLOWS, ConditionNetwork, make_data, make_model

BINARY = make_data(FLOWS["binary"]())
FLOATS = make_data(FLOWS["continuous"]())


def with_nan(x):
    x = x.copy()
    x[3, 0, 0, 0] = np.nan
    return x


BAD_DATA = {
    "label too large": ("binary", BINARY + 1, r"must lie in \[0, 1\].*from 1 to 2"),
    "label below zero": ("discrete", BINARY - 1, r"must lie in \[0, 4\].*from -1 to 0"),
    "level too large": ("discretized", BINARY + 16, r"must lie in \[0, 16\].*from 16 to 17"),
    "floats for integers": ("binary", FLOATS, "must contain integers.*Received: dtype float32"),
    "integers for floats": ("continuous", BINARY, "must contain floats.*Received: dtype int32"),
    "NaN": ("continuous", with_nan(FLOATS), "must be finite.*NaN"),
    "values above 1": ("continuous", FLOATS * 3, r"must lie in \[-1, 1\].*Received: values"),
    "rank": ("binary", BINARY[..., 0], r"event_shape=\(4, 4, 1\).*shape \(24, 4, 4\)"),
    "shape": ("binary", BINARY[:, :3], r"event_shape=\(4, 4, 1\).*shape \(24, 3, 4, 1\)"),
    "empty": ("binary", BINARY[:0], r"must contain data.*empty array of shape \(0, 4, 4, 1\)"),
    "nothing": ("binary", None, "`x` must contain data. Received: x=None"),
    "condition": ("binary", (BINARY, BINARY), "The network takes no condition.*a condition in `x`"),
    "three parts": ("binary", (BINARY,) * 3, "or the tuple .data, condition..*3 elements"),
}


@pytest.mark.once
@pytest.mark.parametrize("method", ["fit", "evaluate", "code_length"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_refused(case, method):
    name, x, message = BAD_DATA[case]
    model = make_model(FLOWS[name]())
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(x)


class BadBatches(keras.utils.PyDataset):
    num_batches = 2

    def __getitem__(self, index):
        return BINARY + 1


def pipelines(x):
    torch = pytest.importorskip("torch")
    tf = pytest.importorskip("tensorflow")
    yield tf.data.Dataset.from_tensor_slices(x).batch(8)
    yield torch.utils.data.DataLoader(torch.as_tensor(x), batch_size=8)
    yield BadBatches()


def test_bad_pipelines_are_refused_by_their_first_batch():
    for pipeline in pipelines(BINARY + 1):
        with pytest.raises(ValueError, match=r"`x` must lie in \[0, 1\].*from 1 to 2"):
            make_model(FLOWS["binary"]()).fit(pipeline)


def test_generators_are_refused_by_their_first_batch():
    model = make_model(FLOWS["binary"]())
    with pytest.raises(ValueError, match="must contain integers"):
        model.fit(((FLOATS[:8],) for _ in range(3)), shuffle=False, verbose=0)
    assert model.optimizer.iterations == 0


def test_targets_are_refused():
    model = make_model(FLOWS["binary"]())
    with pytest.raises(ValueError, match=r"without targets `y`.*x=\(data, condition\)"):
        model.fit(BINARY, np.zeros(24))
    tf = pytest.importorskip("tensorflow")
    labelled = tf.data.Dataset.from_tensor_slices((BINARY, np.zeros(24))).batch(8)
    with pytest.raises(ValueError, match="without targets"):
        model.fit(labelled)
    with pytest.raises(ValueError, match=r"takes no condition\. .* in `validation_data`"):
        model.fit(BINARY, validation_data=(BINARY, np.zeros(24)))


@pytest.mark.once
def test_compile_forgotten():
    model = make_model(FLOWS["binary"](), compiled=False)
    for method in ("fit", "evaluate"):
        with pytest.raises(ValueError, match=r"compile\(\)"):
            getattr(model, method)(BINARY)


@pytest.mark.once
def test_a_network_with_the_wrong_number_of_outputs_is_refused_with_both_sizes():
    message = r"return a tensor of shape \(None, 4, 4, 1, 2\).*with shape \(None, 4, 4, 1, 1\)"
    network = keras_bfn.networks.MLP(FLOWS["continuous"](), EVENT_SHAPE, width=8)
    with pytest.raises(ValueError, match=message):
        keras_bfn.BayesianFlowNetwork(FLOWS["discretized"](), network)
    model = keras_bfn.BayesianFlowNetwork(
        FLOWS["discretized"](), ConditionNetwork(1), event_shape=EVENT_SHAPE
    )
    with pytest.raises(ValueError, match=message):
        model.generate(2, num_steps=2, verbose=0)


@pytest.mark.once
def test_a_network_with_other_inputs_is_refused_by_their_names():
    inputs = {"theta": keras.Input((4, 1), name="theta"), "time": keras.Input((), name="time")}
    network = keras.Model(inputs, keras.layers.Dense(1)(inputs["theta"]))
    with pytest.raises(ValueError, match=r"dict of 'theta' and 't'.*takes \['theta', 'time'\]"):
        keras_bfn.BayesianFlowNetwork(FLOWS["binary"](), network)


@pytest.mark.once
def test_conditions_must_be_as_many_as_the_data():
    flow = FLOWS["binary"]()
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size))
    model.compile()
    with pytest.raises(ValueError, match=r"one condition for each of 24.*shape \(23,\)"):
        model.fit((BINARY, np.zeros(23)))


@pytest.mark.once
def test_classes_are_learnt_and_sampled():
    keras.utils.set_random_seed(0)
    flow = FLOWS["binary"]()
    network = keras_bfn.networks.MLP(flow, EVENT_SHAPE, width=16, conditions=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(3e-2))
    classes = np.arange(512) % 2
    x = np.broadcast_to(classes[:, None, None, None], (512, *EVENT_SHAPE)).astype("int32")
    model.fit((x, classes), epochs=12, batch_size=64, verbose=0)
    wanted = np.arange(16) % 2
    samples = model.generate(16, num_steps=10, condition=wanted, seed=0, verbose=0)
    assert (samples == wanted[:, None, None, None]).mean() > 0.95
    free = model.generate(16, num_steps=10, condition=np.full(16, 2), seed=0, verbose=0)
    assert free.shape == samples.shape
