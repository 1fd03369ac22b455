"""Batches: what they follow from, and that `fit` sees them in their order."""

import itertools

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.datasets import Batches
from tests.models.small import EVENT_SHAPE, FLOWS, make_network

pytestmark = pytest.mark.once

NUM, SIZE = 20, 6


def write(rows, rng):
    """Images of 16 pixels: the bits of the number of a row, and of a number drawn for it."""
    numbers = np.stack([rows, rng.integers(0, 256, len(rows))], axis=-1)
    return (numbers[..., None] >> np.arange(8) & 1).astype("int32").reshape(-1, *EVENT_SHAPE)


def read(images):
    """The list of pairs of numbers that `write` wrote."""
    bits = keras.ops.convert_to_numpy(images).reshape(-1, 2, 8)
    return [tuple(pair) for pair in (bits @ (1 << np.arange(8))).tolist()]


def make_batches(num=NUM, transform=write, **kwargs):
    return Batches(np.arange(num), transform, batch_size=SIZE, **kwargs)


def epochs(batches, num):
    """The batches of the first epochs, read: a list for each epoch."""
    lists = []
    for epoch in range(num):
        batches.epoch = epoch
        lists.append([read(batch) for batch in batches])
    return lists


def rows_of(epoch):
    return [row for batch in epoch for row, _ in batch]


def noise_of(epoch):
    return [noise for batch in epoch for _, noise in batch]


def test_a_batch_follows_from_seed_epoch_and_number_alone():
    expected = epochs(make_batches(seed=3), 4)
    asked = make_batches(seed=3)
    order = np.random.default_rng(0).permutation(list(itertools.product(range(4), range(3))))
    for epoch, index in order:
        asked.epoch = int(epoch)
        assert read(asked[int(index)]) == expected[epoch][index]


def test_another_seed_is_another_order_and_other_noise():
    (first,), (other,) = (epochs(make_batches(seed=seed), 1) for seed in (0, 1))
    assert rows_of(first) != rows_of(other)
    assert noise_of(first) != noise_of(other)


def test_an_epoch_is_a_permutation_less_the_incomplete_batch():
    lists = epochs(make_batches(), 20)
    for epoch in lists:
        assert [len(batch) for batch in epoch] == [SIZE] * (NUM // SIZE)
        assert len(set(rows_of(epoch))) == NUM // SIZE * SIZE
    assert len({tuple(rows_of(epoch)) for epoch in lists}) == 20
    assert {row for epoch in lists for row in rows_of(epoch)} == set(range(NUM))


def test_noise_is_drawn_anew_in_every_batch():
    draws = [
        tuple(noise for _, noise in batch)
        for epoch in epochs(make_batches(), 20)
        for batch in epoch
    ]
    assert len(set(draws)) == 20 * (NUM // SIZE)


def test_batches_to_evaluate_are_all_examples_in_order_and_always_the_same():
    batches = make_batches(training=False)
    first, second = epochs(batches, 2)
    assert first == second
    assert [len(batch) for batch in first] == [6, 6, 6, 2]
    assert rows_of(first) == list(range(NUM))


@pytest.mark.parametrize(("steps", "num_epochs"), [(7, 3), (2, 3), (3, 5)])
def test_with_steps_per_epoch_all_examples_are_seen_equally(steps, num_epochs):
    batches = make_batches(num=18, steps_per_epoch=steps)
    assert batches.num_batches == steps
    rows = [row for epoch in epochs(batches, num_epochs) for row in rows_of(epoch)]
    passes = np.reshape(rows, (-1, 18))
    np.testing.assert_array_equal(np.sort(passes), np.tile(np.arange(18), (len(passes), 1)))
    assert len(np.unique(passes, axis=0)) == len(passes)


@pytest.mark.parametrize("training", [True, False])
def test_labels_stay_with_their_examples(training):
    labels = np.random.default_rng(0).integers(0, 10, NUM)
    for ((x, y),) in make_batches(labels=labels, training=training):
        np.testing.assert_array_equal(y, [labels[row] for row, _ in read(x)])


def test_examples_and_labels_of_pandas_and_lists_are_in_their_order():
    pd = pytest.importorskip("pandas")
    shuffled = pd.Series(np.arange(NUM) * 10, index=np.arange(NUM)[::-1])
    for labels in (shuffled, shuffled.tolist()):
        for ((x, y),) in make_batches(labels=labels):
            assert y.tolist() == [10 * row for row, _ in read(x)]
    frame = pd.DataFrame({"row": shuffled // 10})
    batches = Batches(frame, lambda rows, rng: rows[:, 0], SIZE, labels=shuffled)
    assert all((10 * x == y).all() for ((x, y),) in batches)


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_batch_beyond_the_last(index):
    with pytest.raises(IndexError, match=f"There are 3 batches.*index={index}"):
        make_batches()[index]


class Recorder(keras_bfn.BayesianFlowNetwork):
    """Costs next to nothing to train, and reads each batch that `fit` gives it."""

    def __init__(self):
        flow = FLOWS["binary"]()
        theta = keras.Input((*EVENT_SHAPE, flow.theta_size), name="theta")
        inputs = {"theta": theta, "t": keras.Input((), name="t")}
        output = keras.layers.Dense(flow.output_size)(theta)
        super().__init__(flow, keras.Model(inputs, output))
        self.compile(optimizer="sgd", run_eagerly=True)
        self.seen = []

    def call(self, inputs, training=False):
        self.seen.append(read(inputs))
        return {}

    def compute_loss(self, *args, **kwargs):
        return sum(keras.ops.sum(variable) for variable in self.trainable_variables)


def test_fit_sees_the_batches_of_each_epoch_in_order():
    made = []

    def transform(rows, rng):
        made.append(rows.tolist())
        return write(rows, rng)

    training, validation = make_batches(transform=transform), make_batches(training=False)
    model = Recorder()
    first, second, third = epochs(make_batches(), 3)
    (validated,) = epochs(make_batches(training=False), 1)
    model.fit(training, validation_data=validation, epochs=2, verbose=0)
    assert model.seen == [*first, *validated, *second, *validated]
    assert {tuple(rows) for rows in made} == {
        tuple(row for row, _ in batch) for batch in (*first, *second)
    }
    model.seen.clear()
    model.fit(training, verbose=0)  # goes on where the last one ended
    assert model.seen == third
    training.epoch = 1
    model.seen.clear()
    model.fit(training, verbose=0)
    assert model.seen == second


class Scores(keras.callbacks.Callback):
    """Evaluates the model on its training data, within epochs and after each."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_train_batch_end(self, batch, logs=None):
        self.model.evaluate(self.data, verbose=0)

    on_epoch_end = on_train_batch_end


def test_evaluation_leaves_the_training_data_as_they_are():
    def train(batches, **options):
        keras.utils.set_random_seed(0)
        flow = FLOWS["binary"]()
        model = keras_bfn.BayesianFlowNetwork(flow, make_network(flow), seed=0)
        model.compile()
        model.fit(batches, epochs=2, verbose=0, **options)
        model.evaluate(batches, verbose=0)
        model.fit(batches, epochs=3, initial_epoch=2, verbose=0)
        assert batches.epoch == 3
        return [*model.get_weights(), model.evaluate(batches, verbose=0)]

    expected = train(make_batches())
    validated, scored = make_batches(), make_batches()
    for found in (
        train(validated, validation_data=validated),
        train(scored, callbacks=[Scores(scored)]),
    ):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
