"""Runs the published BFN-Solver code on small networks, and keeps what it answered.

    python -m tests.samplers.solver_oracle CLONE

CLONE is a clone of https://github.com/ML-GSAI/BFN-Solver. For each data type and solver,
data/bfn_solver.npz holds the parameters of the input distribution after every step (the mean, or
the probabilities), `(NUM_STEPS, *SHAPES[data_type])`, and the last look's estimate of the data, got
by the code's option `last_drop`. Its own arithmetic is run in float64. torch and the clone are
imported only when the script runs.
"""

import argparse
import sys
from pathlib import Path
from unittest import mock

import numpy as np

from tests.samplers.solver_cases import (
    BETA_1,
    ETA,
    NUM_CLASSES,
    NUM_STEPS,
    SIGMA_1,
    SOLVERS,
    answer,
    make_noise,
    make_weights,
)

DATA = Path(__file__).parent / "data" / "bfn_solver.npz"


def make_network(torch, data_type):
    weights = {name: torch.tensor(w) for name, w in make_weights(data_type).items()}

    def network(theta, t):
        batch = theta.shape[0]
        answered = answer(
            theta.reshape(batch, -1),
            t.reshape(batch, -1)[:, :1].to(theta.dtype),
            weights,
            torch.matmul,
            torch.tanh,
        )
        return answered.reshape(theta.shape)

    return network


def run(torch, data_type, name, solver, state, to_theta):
    """The states after each step, and the last estimate, of one of the solvers."""
    method = getattr(
        solver,
        {
            "sde1": "sde_bfnsolver1_update",
            "sde2": "sde_bfnsolver2_multi_step_update",
            "ode1": "ode_bfnsolver1_update",
            "ode2": "ode_bfnsolver2_multi_step_update",
        }[name],
        None,
    )
    noise = make_noise(data_type)
    states, last = [], ()
    for step in range(NUM_STEPS):
        draw = torch.tensor(noise[1 + step])
        with mock.patch.object(torch, "randn_like", lambda *args, draw=draw, **kwargs: draw):
            if method is None:
                # For continuous data the first order is not published as a function of its own. It
                # is the second order's step when the estimate has not moved.
                second = solver.sde_bfnsolver2_multi_step_update
                _, estimate = second(state, step, x0_pred_last=torch.zeros_like(state))
                args = (state, step, estimate)
                state, estimate = second(*args)
                dropped = second(*args, last_drop=True)[0] if step == NUM_STEPS - 1 else None
            else:
                args = (state, step, *last)
                dropped = method(*args, last_drop=True)[0] if step == NUM_STEPS - 1 else None
                state, estimate = method(*args)
        if name.endswith("2"):
            last = (estimate,)
        states.append(to_theta(state).numpy())
    return np.stack(states), dropped.numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone")
    args = parser.parse_args()

    import torch

    sys.path.insert(0, args.clone)
    for module in ("utils", "omegaconf", "tqdm", "tqdm.auto"):
        sys.modules[module] = mock.MagicMock()
    from bfnsolver_i import ImageBFNSolver
    from bfnsolver_t import TextBFNSolver

    torch.set_default_dtype(torch.float64)
    kept = {}
    for name in SOLVERS:
        solver = ImageBFNSolver(make_network(torch, "continuous"), NUM_STEPS, SIGMA_1**2, ETA)
        gamma = 1 - SIGMA_1 ** (2 * ETA)
        start = torch.tensor(make_noise("continuous")[0]) * (gamma * (1 - gamma)) ** 0.5
        kept[f"continuous/{name}/theta"], kept[f"continuous/{name}/last"] = run(
            torch, "continuous", name, solver, start, lambda mean: mean
        )

        network = make_network(torch, "discrete")
        solver = TextBFNSolver(network, NUM_CLASSES, NUM_STEPS, BETA_1**0.5, ETA)
        start = torch.tensor(make_noise("discrete")[0]) * (NUM_CLASSES * BETA_1 * ETA**2) ** 0.5
        kept[f"discrete/{name}/theta"], kept[f"discrete/{name}/last"] = run(
            torch, "discrete", name, solver, start, lambda s: s.softmax(-1)
        )
    DATA.parent.mkdir(exist_ok=True)
    np.savez_compressed(DATA, **{name: value.astype("float32") for name, value in kept.items()})
    print(f"Wrote {len(kept)} arrays to {DATA}")


if __name__ == "__main__":
    main()
