"""The expected bin against the sum over all edges in float64: values, gradients, memory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from keras_bfn.distributions.expected_bin import expected_bin
from tests.backends import everywhere
from tests.tensors import gradient, slope, to_numpy, to_tensor

BINS = {str(k): k for k in (2, 5, 17, 24, 25, 256, 4096, 65536)}


def normals(k):
    """Means inside, outside, about the ends, far away, in the middle; from narrow to wide."""
    rng = np.random.default_rng(k)
    ends = rng.choice([-1.0, 1.0], 150) + rng.normal(0, 4 / k, 150)
    mean = np.concatenate([rng.uniform(-1.3, 1.3, 300), rng.uniform(-90, 90, 150), ends, [0, 0]])
    std = np.exp(rng.uniform(np.log(0.25 / k), np.log(10), mean.size))
    about_one_bin = 2 / k * rng.uniform(0.9, 1.1, 100)  # where one way gives over to the other
    std[:100] = about_one_bin
    std[-2:] = 0.3 / k, 3.0
    return mean.astype("float32"), std.astype("float32")


def exact(mean, std, k):
    """The expected bin's centre, and its slopes by the mean and by the log of the deviation."""
    edges, mean, std = 2 * np.arange(1, k) / k - 1, mean.astype("float64"), std.astype("float64")
    rows = []
    for m, s in zip(mean, std, strict=True):
        z = (edges - m) / s
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        centre = (2 * special.ndtr(-z).sum() + 1) / k - 1
        rows.append((centre, 2 / k * density.sum() / s, 2 / k * (density * z).sum()))
    return np.transpose(rows)


def centre(mean, std, k):
    return (2.0 * expected_bin(mean, std, k) + 1.0) / k - 1.0


@pytest.mark.parametrize("k", everywhere(BINS, "256"))
def test_it_is_the_sum_over_all_edges_and_so_are_its_gradients(k):
    mean, std = normals(k)
    value, by_mean, by_log_std = exact(mean, std, k)
    assert_allclose(to_numpy(centre(to_tensor(mean), to_tensor(std), k)), value, atol=1e-6)
    found = gradient(lambda mean: centre(mean, to_tensor(std), k), mean)
    assert_allclose(found, by_mean, rtol=1e-5, atol=1e-6)
    found = std * gradient(lambda std: centre(to_tensor(mean), std, k), std)
    assert_allclose(found, by_log_std, atol=1e-6)


@pytest.mark.parametrize("k", everywhere(BINS, "256"))
def test_its_gradients_have_gradients(k):
    """The expected bin obeys the heat equation: its second derivative by the mean is known, too."""
    mean, std = normals(k)
    by_log_std = exact(mean, std, k)[2]
    found = std**2 * gradient(slope(lambda mean: centre(mean, to_tensor(std), k)), mean)
    assert_allclose(found, by_log_std, atol=2e-6)


@pytest.mark.parametrize("k", everywhere({"17": 17, "65536": 65536}, "65536"))
def test_nothing_overflows(k):
    mean, std = np.meshgrid(np.float32([-3e38, -1e9, 0, 1e9, 3e38]), np.float32([1e-9, 1, 10]))
    mean, std = mean.ravel(), std.ravel()
    ends = np.where(mean < 0, -1, 1) * (1 - 1 / k)
    found = to_numpy(centre(to_tensor(mean), to_tensor(std), k))
    assert_allclose(found[mean != 0], ends[mean != 0], atol=1e-6)
    assert np.isfinite(gradient(lambda mean: centre(mean, to_tensor(std), k), mean)).all()
    assert np.isfinite(gradient(lambda std: centre(to_tensor(mean), std, k), std)).all()
