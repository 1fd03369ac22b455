"""Cost of a held-out binary digit under simpler models, to compare with `examples/digits.py`.

    python benchmarks/digits_baselines.py

Independent pixels have one probability each. A fully visible sigmoid belief network predicts each
pixel by logistic regression from all previous pixels. Both learn from 20 binary samples of each
digit.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression


def binarize(levels, num_draws, seed):
    levels = np.tile(levels, (num_draws, 1))
    return (np.random.default_rng(seed).uniform(size=levels.shape) < levels / 16).astype(int)


def cross_entropy(x, probability):
    return -np.log(np.where(x == 1, probability, 1 - probability)).sum(axis=-1).mean()


def sigmoid_belief_network(train, test):
    nats = 0.0
    for pixel in range(train.shape[1]):
        target = train[:, pixel]
        if pixel == 0 or len(np.unique(target)) == 1:
            probability = np.full(len(test), (target.sum() + 0.5) / (len(target) + 1))
        else:
            model = LogisticRegression(C=0.1, max_iter=200).fit(train[:, :pixel], target)
            probability = model.predict_proba(test[:, :pixel])[:, 1]
        nats += cross_entropy(test[:, [pixel]], probability[:, None])
    return nats


def main():
    levels = load_digits().data
    levels = levels[np.random.default_rng(0).permutation(len(levels))]
    train, test = binarize(levels[:1500], 20, seed=0), binarize(levels[1500:], 10, seed=1)

    means = (train.sum(axis=0) + 0.5) / (len(train) + 1)
    print(f"Independent pixels: {cross_entropy(test, means):.2f} nats per image")
    print(f"Sigmoid belief network: {sigmoid_belief_network(train, test):.2f} nats per image")


if __name__ == "__main__":
    main()
