"""Time of `generate` with guidance, relative to `generate` without.

    KERAS_BACKEND=torch python -m benchmarks guidance

The guiding function takes almost no time, so the difference is the gradient through the network
with respect to its inputs. "without the network" is `through_network=False`, and "by 2 draws"
evaluates the function on two samples.
"""

from functools import partial

import keras
from keras import ops

from benchmarks.cases import CASES, count_rows, make_case
from benchmarks.timing import ratio
from keras_bfn import BayesianFlowNetwork
from keras_bfn.guidance import Guidance


class Small(Guidance):
    """A guidance that prefers small values, for any data type. A subclass is compiled once."""

    def likelihood(self, data):
        def of_part(data):
            return ops.sum(ops.reshape(ops.square(data), (ops.shape(data)[0], -1)), axis=1)

        return -1e-3 * sum(map(of_part, keras.tree.flatten(data)))


GUIDANCES = {
    "through the network": Small(),
    "by 2 draws": Small(num_draws=2),
    "without the network": Small(through_network=False),
}


def measure(cases=None, rounds=5, steps=5, toy=False):
    """Yields one row per case and kind of guidance."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        case = make_case(name, toy)
        model = BayesianFlowNetwork(case.flow, case.network, seed=0)
        size = count_rows(case.x)
        generate = partial(model.generate, size, steps, batch_size=size, verbose=0)
        for kind, guidance in GUIDANCES.items():
            guided = partial(generate, guidance=guidance)
            yield {"case": name, "guided": kind, **ratio(generate, guided, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("guidance")
