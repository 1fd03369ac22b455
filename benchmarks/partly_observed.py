"""Posteriors given some of six numbers, against the exact ones.

    KERAS_BACKEND=jax python -m benchmarks.partly_observed
    KERAS_BACKEND=jax python -m benchmarks.partly_observed --missing 0.2

Of three models, one is drawn, and two standard normal parameters. Each model maps the parameters to
six numbers, linearly, and adds noise, so that posteriors are exact. Prints, for 0, 2 and 4 numbers
that were not observed, the mean over 60 observations of the total variation between the sampled and
the exact posterior of the model, and of the error of the parameters' means, in standard deviations
of the exact posterior. With `--missing`, this share of the simulated numbers is NaN in training.
"""

import argparse
import time

import keras
import numpy as np

from keras_bfn import recipes, simulation

NUM_MODELS, NUM_PARAMETERS, NUM_OBSERVED, NOISE = 3, 2, 6, 0.7
NUM_SIMULATIONS, BATCH_SIZE, EPOCHS = 20_000, 200, 100
NUM_OBSERVATIONS, NUM_SAMPLES = 60, 400


class Linear:
    """Three linear models with normal noise."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.slopes = self.rng.normal(size=(NUM_MODELS, NUM_OBSERVED, NUM_PARAMETERS))
        self.means = self.rng.normal(size=(NUM_MODELS, NUM_OBSERVED))

    def simulate(self, num):
        model = self.rng.integers(0, NUM_MODELS, num)
        parameters = self.rng.normal(size=(num, NUM_PARAMETERS))
        seen = np.einsum("nij,nj->ni", self.slopes[model], parameters) + self.means[model]
        seen += NOISE * self.rng.normal(size=seen.shape)
        return {"model": model.astype("int32"), "parameters": parameters, "observation": seen}

    def posterior(self, seen):
        """The probabilities of the models, and the parameters' mean and standard deviation."""
        which = np.isfinite(seen)
        nats, means, variances = [], [], []
        for slopes, center in zip(self.slopes[:, which], self.means[:, which], strict=True):
            covariance = slopes @ slopes.T + NOISE**2 * np.eye(which.sum())
            rest = seen[which] - center
            nats.append(-0.5 * rest @ np.linalg.solve(covariance, rest))
            nats[-1] -= 0.5 * np.linalg.slogdet(covariance)[1]
            inverse = np.linalg.inv(np.eye(NUM_PARAMETERS) + slopes.T @ slopes / NOISE**2)
            means.append(inverse @ slopes.T @ rest / NOISE**2)
            variances.append(np.diag(inverse))
        probs = np.exp(np.array(nats) - max(nats))
        probs /= probs.sum()
        mean = probs @ means
        return probs, mean, np.sqrt(probs @ (np.array(variances) + np.square(means)) - mean**2)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--missing", type=float, default=0.0)
    args = parser.parse_args()
    linear = Linear(0)
    simulations = linear.simulate(NUM_SIMULATIONS)
    gone = linear.rng.uniform(size=simulations["observation"].shape) < args.missing
    simulations["observation"][gone] = np.nan
    keras.utils.set_random_seed(0)
    model = simulation.make_model(simulations, seed=0)
    model.compile(recipes.adamw(EPOCHS * NUM_SIMULATIONS // BATCH_SIZE))
    start = time.process_time()
    model.fit(simulations, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0)
    print(f"trained in {time.process_time() - start:.0f} processor seconds")
    print("not observed  total variation  error of means")
    for num_missing in (0, 2, 4):
        observed = linear.simulate(NUM_OBSERVATIONS)["observation"]
        for row in observed:
            row[linear.rng.permutation(NUM_OBSERVED)[:num_missing]] = np.nan
        drawn = model.sample(NUM_SAMPLES, {"observation": observed}, seed=1)
        variations, errors = [], []
        for i, row in enumerate(observed):
            probs, mean, std = linear.posterior(row)
            found = np.bincount(drawn["model"][i], minlength=NUM_MODELS) / NUM_SAMPLES
            variations.append(0.5 * np.abs(found - probs).sum())
            errors.append(np.abs((drawn["parameters"][i].mean(axis=0) - mean) / std).mean())
        print(f"{num_missing:<14}{np.mean(variations):<17.3f}{np.mean(errors):.3f}", flush=True)


if __name__ == "__main__":
    main()
