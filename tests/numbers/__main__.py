"""How far a message's cost in float32 is from that in float64, times the number of messages.

    KERAS_BACKEND=jax python -m tests.numbers

For each data type, of outputs drawn at random: nats per variable of all messages, if each cost as
much as one in the middle of so many; and the mean and the largest error of these.
"""

import numpy as np

from keras_bfn.flows import CircularFlow, DiscreteFlow, DiscretizedFlow
from tests.numbers import exact
from tests.numbers.cases import ROWS, Case
from tests.tensors import to_numpy, to_tensor

STEPS, NUM_BATCHES = (20, 1000, 1_000_000), 4
FLOWS = {
    "2 classes": DiscreteFlow(2, beta_1=9.0),
    "27 classes": DiscreteFlow(27, beta_1=0.5625),
    "65,536 classes": DiscreteFlow(65_536, beta_1=0.01),
    "17 bins": DiscretizedFlow(17, sigma_1=0.02, prediction="data"),
    "256 bins": DiscretizedFlow(256, sigma_1=0.001, prediction="data"),
    "angles": CircularFlow(sigma_1=0.01),
}


def make_case(flow, seed):
    """Outputs that know the data as well as half of the evidence tells them."""
    rng, (low, high) = np.random.default_rng(seed), flow.data_range
    shape = (ROWS, 1, flow.output_size)
    if flow.discrete:
        x = rng.integers(low, high, (ROWS, 1), endpoint=True).astype("int32")
    else:
        x = rng.uniform(low, high, (ROWS, 1)).astype("float32")
    if isinstance(flow, DiscreteFlow):
        params = rng.normal(0, 2, shape)
    elif isinstance(flow, DiscretizedFlow):
        std = 0.2 * np.sqrt(flow.schedule.sigma_1)
        mean = to_numpy(flow.embed(x)) + std * rng.standard_normal((ROWS, 1, 1))
        params = np.concatenate([mean, np.full_like(mean, np.log(std))], axis=-1)
    else:
        params = to_numpy(flow.embed(x)) / flow.schedule.sigma_1
        params += np.sqrt(1 / flow.schedule.sigma_1) * rng.standard_normal(shape)
    t = np.full(ROWS, 0.5, "float32")
    return Case(flow, x, t, params.astype("float32"), "float32", seed)


def costs(case, num_steps):
    """Nats of `num_steps` messages, in float32 and in float64."""
    flow, x, t, params = case[:4]
    alpha = np.full(ROWS, float(flow.schedule.alpha(num_steps // 2, num_steps)), "float32")
    output = flow.output_distribution(to_tensor(params), to_tensor(params), to_tensor(t))
    found = flow.sender_receiver_kl(x, output, alpha, case.noise()["evidence"])
    wide = params[:, 0].astype("float64")
    expected = exact.message_cost(case, wide, None, t, None, alpha.astype("float64")[:, None])
    return num_steps * to_numpy(found)[:, 0], num_steps * expected.value


def main():
    print("| | messages | nats | mean error | largest |\n|---|---|---|---|---|")
    for name, flow in FLOWS.items():
        batches = [make_case(flow, seed) for seed in range(NUM_BATCHES)]
        for num_steps in STEPS:
            pairs = [costs(case, num_steps) for case in batches]
            found, expected = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            error = found - expected
            print(
                f"| {name} | {num_steps:,} | {expected.mean():.3f} | {error.mean():.1e} | "
                f"{np.abs(error).max():.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
