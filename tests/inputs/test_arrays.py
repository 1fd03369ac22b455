"""Bad input is refused before work starts, with a message that says what came."""

import keras
import numpy as np
import pytest

import keras_bfn
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model

BINARY = make_data(FLOWS["binary"]())
FLOATS = make_data(FLOWS["continuous"]())


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


def test_targets_in_a_pipeline_are_refused():
    model = make_model(FLOWS["binary"]())
    tf = pytest.importorskip("tensorflow")
    labelled = tf.data.Dataset.from_tensor_slices((BINARY, np.zeros(24))).batch(8)
    with pytest.raises(ValueError, match="without targets"):
        model.fit(labelled)


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
