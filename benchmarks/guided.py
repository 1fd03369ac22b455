"""Accuracy of guided samples, against exact posteriors, classifiers and measurements.

    KERAS_BACKEND=torch python -m benchmarks.guided particles
    KERAS_BACKEND=torch python -m benchmarks.guided inpainting
    KERAS_BACKEND=torch python -m benchmarks.guided digits --num 200
    KERAS_BACKEND=torch python -m benchmarks.guided inverse

`particles`: two dependent variables of three classes, with the exact posterior as the network and a
likelihood of pairs. Reports the total variation between guided samples and the exact posterior, and
the estimates of E[L]: with h the expectation over the product of both variables' distributions, and
with h = 1 before the end (untwisted). `inpainting`: the same for the second variable, given the
first, by number of network calls for all particles. A twisted step counts twice, because of its
gradient.

`digits`: the fraction of samples that an independent classifier assigns to the requested class, and
the Fréchet distance by its features. Samples are from the preset `bfn_digits`, guided by another
classifier, and from `bfn_digits_classes`, guided by its condition. `inverse`: samples from the
preset `bfn_digits`, guided by measurements with noise of standard deviation 0.5. Reports their
deviation from the measurements and from each other.
"""

import argparse

import keras
import numpy as np
from keras import layers, ops

from benchmarks.report import print_rows
from benchmarks.samplers import digits_data
from keras_bfn import BayesianFlowNetwork
from keras_bfn.guidance import ClassifierGuidance, Guidance, LinearInverse
from keras_bfn.metrics import SampleQuality
from keras_bfn.samplers import SDE2Sampler
from keras_bfn.testing.samplers import JOINT_PRIOR, make_pair_model

LIKELIHOOD = np.exp([[-2.0, 0.0, 1.0], [1.0, -2.0, 0.0], [1.5, 0.0, -2.5]]).astype("float32")
PAIR_STEPS, KNOWN_CLASS = 40, 1


def total_variation(classes, probs):
    return float(
        0.5 * np.abs(np.bincount(classes, minlength=len(probs)) / len(classes) - probs).sum()
    )


def pair_likelihood(probs):
    """Returns log L of the expected pair, as if both variables were independent."""
    mean = ops.einsum("bi,ij,bj->b", probs[:, 0], ops.convert_to_tensor(LIKELIHOOD), probs[:, 1])
    return ops.log(mean)


class AtTheEnd(Guidance):
    """The same guidance with h = 1 before the end."""

    def log_h(self, expected):
        return ops.zeros_like(expected.predictions.t)


def measure_particles(num):
    truth = JOINT_PRIOR * LIKELIHOOD
    mean = float(truth.sum())
    model = make_pair_model()
    plain = model.generate(num, PAIR_STEPS, "sde1", seed=0, batch_size=num, verbose=0)
    likelihoods = LIKELIHOOD[plain[:, 0], plain[:, 1]]
    print(f"{num} samples; E[L] {mean:.4f}; for unguided samples:")
    print(
        f"E[L] {likelihoods.mean():.4f} +- {likelihoods.std() / num**0.5:.4f}, total variation "
        f"{total_variation(plain @ [3, 1], (truth / mean).ravel()):.3f}"
    )
    for num_particles in (1, 2, 8, 32):
        row = {"particles": num_particles}
        for name, guidance in (
            ("twisted", Guidance(pair_likelihood)),
            ("untwisted", AtTheEnd(pair_likelihood)),
        ):
            result = model.generate(
                num,
                PAIR_STEPS,
                "sde1",
                guidance=guidance,
                num_particles=num_particles,
                return_details=True,
                seed=1,
                batch_size=num,
                verbose=0,
            )
            x = result.samples
            estimates = np.exp(result.log_likelihood.astype("float64"))
            row[name] = total_variation(x @ [3, 1], (truth / mean).ravel())
            row[f"E[L], {name}"] = float(estimates.mean())
            row[f"error, {name}"] = float(estimates.std() / num**0.5)
        yield row


def measure_inpainting(num):
    truth = JOINT_PRIOR[KNOWN_CLASS] / JOINT_PRIOR[KNOWN_CLASS].sum()
    model = make_pair_model()
    x, known = np.tile([KNOWN_CLASS, 0], (num, 1)), np.array([True, False])
    for twisted, num_particles, num_steps in (
        (False, 1, 60),
        (False, 4, 60),
        (False, 16, 60),
        (False, 32, 60),
        (True, 1, 30),
        (True, 1, 60),
        (True, 4, 60),
        (True, 8, 60),
    ):
        result = model.inpaint(
            x,
            known,
            num_steps,
            num_particles,
            twisted=twisted,
            return_details=True,
            seed=0,
            batch_size=num,
            verbose=0,
        )
        completed = result.samples
        estimates = np.exp(result.log_likelihood.astype("float64"))
        yield {
            "twisted": str(twisted),
            "particles": num_particles,
            "steps": num_steps,
            "calls": num_particles * num_steps * (2 if twisted else 1),
            "total variation": total_variation(completed[:, 1], truth),
            "deviation of estimates": float(estimates.std() / estimates.mean()),
        }


def train_classifier(x, labels):
    keras.utils.set_random_seed(1)
    classifier = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Rescaling(1 / 16),
            layers.Conv2D(32, 3, padding="same", activation="gelu"),
            layers.Conv2D(64, 3, strides=2, activation="gelu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="gelu"),
            layers.Dense(10),
        ]
    )
    classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    classifier.fit(x.astype("float32"), labels, epochs=20, batch_size=64, verbose=0)
    return classifier


def measure_digits(num):
    (x, labels), (test_x, test_labels) = digits_data()
    keras.utils.set_random_seed(0)
    judge = SampleQuality(x, labels, epochs=30)
    classifier = train_classifier(x, labels)
    accuracy = judge.accuracy(test_x, test_labels)
    print(f"{num} samples; the judge reads {accuracy:.1%} of held-out digits correctly")
    asked = np.arange(num) % 10
    by_condition = BayesianFlowNetwork.from_preset("bfn_digits_classes")
    plain = BayesianFlowNetwork.from_preset("bfn_digits")

    def row(name, samples):
        return {
            "guided by": name,
            "accuracy": judge.accuracy(samples, asked),
            "distance": judge.frechet_distance(samples),
        }

    options = {"seed": 0, "batch_size": num, "verbose": 0}
    yield row("none", plain.generate(num, 30, "sde2", **options))
    for scale in (1.0, 1.25, 1.5, 2.0):
        samples = by_condition.generate(
            num, 30, "sde2", condition=asked, guidance_scale=scale, **options
        )
        yield row(f"condition, scale {scale}", samples)
    log_beta = SDE2Sampler(start=0.02, spacing="log_beta")
    for name, sampler, num_steps, num_particles, choices in (
        ("30 steps", "sde2", 30, None, {}),
        ("30 steps, log beta", log_beta, 30, None, {}),
        ("30 steps, scale 1.5", "sde2", 30, None, {"scale": 1.5}),
        ("30 steps, 4 draws", "sde2", 30, None, {"num_draws": 4}),
        ("30 steps, without the network", "sde2", 30, None, {"through_network": False}),
        ("100 steps", "sde2", 100, None, {}),
        ("50 steps, 4 particles", "sde1", 50, 4, {}),
    ):
        guidance = ClassifierGuidance(classifier, asked, from_logits=True, **choices)
        samples = plain.generate(
            num, num_steps, sampler, guidance=guidance, num_particles=num_particles, **options
        )
        yield row(f"classifier, {name}", samples)


def measure_inverse(num):
    model = BayesianFlowNetwork.from_preset("bfn_digits")
    truth, noise, copies = digits_data()[1][0][: max(1, num // 4)], 0.5, 4
    rng = np.random.default_rng(0)
    neighbours = sum(np.eye(8, k=k) for k in (-1, 0, 1)) / 3
    halves = np.kron(np.eye(4), [[0.5, 0.5]])
    for name, one_side in (("blurred", neighbours), ("coarse", halves)):
        A = np.kron(one_side, one_side)
        y = truth.reshape(-1, 64) @ A.T
        y = np.repeat(y + noise * rng.standard_normal(y.shape), copies, axis=0)
        for scale, sampler, num_particles in (
            (1.0, "sde2", None),
            (2.0, "sde2", None),
            (1.0, "sde1", 4),
            (1.0, "sde1", 16),
        ):
            x = model.generate(
                len(y),
                50,
                sampler,
                guidance=LinearInverse(A, y, noise, scale=scale),
                num_particles=num_particles,
                seed=0,
                batch_size=len(y),
                verbose=0,
            )
            yield {
                "measured": name,
                "scale": scale,
                "particles": num_particles or 1,
                "residual": float((x.reshape(-1, 64) @ A.T - y).std()),
                "from the truth": float(np.abs(x - np.repeat(truth, copies, axis=0)).mean()),
                "among samples": float(x.reshape(-1, copies, 64).std(axis=1).mean()),
            }


MEASURES = {
    "particles": (measure_particles, 8000),
    "inpainting": (measure_inpainting, 8000),
    "digits": (measure_digits, 200),
    "inverse": (measure_inverse, 40),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--num", type=int, help="number of samples")
    args = parser.parse_args()
    measure, num = MEASURES[args.what]
    print_rows(measure(args.num or num))


if __name__ == "__main__":
    main()
