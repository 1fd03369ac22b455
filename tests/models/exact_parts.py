"""Models of dependent parts of several kinds, whose networks are the exact posteriors."""

import keras
import numpy as np
from keras import ops
from scipy import integrate, special, stats

import keras_bfn
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.flows.flow import expand
from keras_bfn.schedules import QuadraticSchedule
from tests import exact
from tests.models.parts import CLASSES
from tests.tensors import to_tensor

# A kind and two grades, each of three: how often each triple occurs. The names of parts are not in
# alphabetical order, which is that of dicts on JAX.
_GRADES_BY_KIND = np.array([[0.8, 0.15, 0.05], [0.1, 0.75, 0.15], [0.05, 0.1, 0.85]])
_GRADES_BY_GRADES = np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.4], [0.2, 0.4, 1.0]])
TRIPLES = np.einsum(
    "k,ki,kj,ij->kij", [0.5, 0.3, 0.2], _GRADES_BY_KIND, _GRADES_BY_KIND, _GRADES_BY_GRADES
)
TRIPLES /= TRIPLES.sum()
CENTRES = np.array([-2 / 3, 0, 2 / 3])
# Whether a triple (row) has a value (column): the three kinds, and the three of either grade.
HAS_VALUE = np.concatenate([np.eye(3)[values.ravel()] for values in np.indices((3, 3, 3))], axis=1)


def accuracy_of(flow, inputs, name):
    """The accuracy of a part, shared or of each variable, to be multiplied by its evidence."""
    t = inputs["t"][name] if isinstance(inputs["t"], dict) else inputs["t"]
    return expand(flow[name].schedule.beta(t), inputs["theta"][name])


def evidence_of(flow, inputs):
    """The evidence that theta stands for, up to what is common to all classes.

    What is known for sure is at t = 1: that of all messages, if their noise happened to be zero.
    """

    def of_part(name, part):
        theta = inputs["theta"][name]
        if isinstance(part, DiscreteFlow):
            return part.evidence_params(theta)
        return (1.0 + accuracy_of(flow, inputs, name)) * theta

    return {name: of_part(name, part) for name, part in flow.items()}


def triple_marginals(log_likelihoods):
    """The probabilities of the nine values, given the log likelihoods of each: `(batch, 9)`."""
    log_joint = ops.matmul(log_likelihoods, to_tensor(HAS_VALUE.T))
    log_joint = log_joint + to_tensor(np.log(TRIPLES.ravel()))
    return ops.matmul(ops.softmax(log_joint, axis=-1), to_tensor(HAS_VALUE))


def triple_marginals_in_float64(log_likelihoods):
    """The same in numpy."""
    joint = special.softmax(log_likelihoods @ HAS_VALUE.T + np.log(TRIPLES.ravel()), axis=-1)
    return joint @ HAS_VALUE


def normal_over_three_bins(probs):
    """The normal whose mass in the bins is this: its mean and log standard deviation."""
    # The standard normal's quantiles at the two inner edges; a millionth is too rare to matter.
    below, above = probs[..., :1], probs[..., 2:]
    first, last = (
        2**0.5 * sign * ops.erfinv(ops.clip(2.0 * tail - 1.0, -1.0 + 2e-6, 1.0 - 2e-6))
        for sign, tail in ((1.0, below), (-1.0, above))
    )
    std = (2 / 3) / ops.maximum(last - first, 0.1)  # at most 10 in the flow
    return ops.concatenate([-1 / 3 - std * first, ops.log(std)], axis=-1)


class TriplePosterior(keras.layers.Layer):
    """The exact marginals of a kind and two grades, given all evidence."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        s = evidence_of(self.flow, inputs)
        beta = accuracy_of(self.flow, inputs, "grades")
        grades = s["grades"] * to_tensor(CENTRES) - 0.5 * beta * to_tensor(CENTRES**2)
        grades = ops.reshape(grades, (-1, 6))
        marginals = triple_marginals(ops.concatenate([s["kind"], grades], axis=1))
        return {
            "kind": ops.log(ops.maximum(marginals[:, :3], 1e-30)),
            "grades": normal_over_three_bins(ops.reshape(marginals[:, 3:], (-1, 2, 3))),
        }


class BinPairPosterior(keras.layers.Layer):
    """The exact marginals of two dependent variables of three bins, given the evidence about both.

    For `DiscretizedFlow(3, sigma_1, prediction="data")`.

    Args:
        flow: the flow.
        joint_prior: float array `(3, 3)`, how often each pair occurs.
    """

    def __init__(self, flow, joint_prior):
        super().__init__()
        self.flow, self.joint_prior = flow, joint_prior

    def call(self, inputs):
        beta = expand(self.flow.schedule.beta(inputs["t"]), inputs["theta"])
        s = (1.0 + beta) * inputs["theta"]
        each = s * to_tensor(CENTRES) - 0.5 * beta * to_tensor(CENTRES**2)
        log_joint = to_tensor(np.log(self.joint_prior)) + each[:, 0, :, None] + each[:, 1, None]
        joint = ops.exp(log_joint - ops.logsumexp(log_joint, axis=(1, 2), keepdims=True))
        return normal_over_three_bins(ops.stack([ops.sum(joint, 2), ops.sum(joint, 1)], axis=1))


def make_triple_model(beta_1=6.0, sigma_1=0.1, times="shared"):
    flow = {
        "kind": DiscreteFlow(3, beta_1),
        "grades": DiscretizedFlow(3, sigma_1, prediction="data"),
    }
    event_shape = {"kind": (), "grades": (2,)}
    network = TriplePosterior(flow)
    return CLASSES[times](flow, network, event_shape=event_shape, seed=0)


def triples(places):
    """Data, by their places among the 27."""
    kind, *grades = np.unravel_index(places, TRIPLES.shape)
    return {"kind": kind.astype("int32"), "grades": np.stack(grades, axis=1).astype("int32")}


def places_of(x):
    """Of data, the reverse."""
    return np.ravel_multi_index((x["kind"], *x["grades"].T), TRIPLES.shape)


# A label of two, and a number that is normal given the label, of mean CENTRE or -CENTRE.
LABELS = np.array([0.35, 0.65])
CENTRE, STD = 0.2, 0.15


class MixturePosterior(keras.layers.Layer):
    """The exact log odds of the label and mean of the number, given both evidences."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        s = evidence_of(self.flow, inputs)
        beta = accuracy_of(self.flow, inputs, "number")
        growth = 1.0 + STD**2 * beta
        log_odds = float(np.log(LABELS[1] / LABELS[0])) + s["label"]
        log_odds = log_odds + 2.0 * CENTRE * s["number"] / growth
        number = (STD**2 * s["number"] + CENTRE * ops.tanh(0.5 * log_odds)) / growth
        return {"label": log_odds, "number": number}


def make_mixture_model(beta_1=12.0, sigma_1=0.02):
    flow = {"label": DiscreteFlow(2, beta_1), "number": ContinuousFlow(sigma_1, prediction="data")}
    event_shape = {"label": (), "number": ()}
    return keras_bfn.BayesianFlowNetwork(flow, MixturePosterior(flow), event_shape, seed=0)


def mixture(num):
    """Labels and numbers as often as they are likely, without chance; sorted."""
    num_zeros = round(LABELS[0] * num)
    numbers = [
        stats.norm(centre, STD).ppf((np.arange(count) + 0.5) / count)
        for centre, count in ((-CENTRE, num_zeros), (CENTRE, num - num_zeros))
    ]
    return {
        "label": (np.arange(num) >= num_zeros).astype("int32"),
        "number": np.concatenate(numbers).astype("float32"),
    }


def mixture_density(label, number):
    return LABELS[label] * stats.norm(CENTRE * (2 * label - 1), STD).pdf(number)


MIXTURE_ENTROPY = exact.entropy(LABELS) + stats.norm(0, STD).entropy()


class MixtureTruth:
    """What evidence of given accuracies leaves to be known of a label and a number.

    The log odds of the label are normal, given the label: of some variance v, and by v / 2 further
    on the right side than they were without evidence.

    Args:
        label: float, the accuracy of the label.
        number: float, the accuracy of the number.
    """

    def __init__(self, label, number):
        self.number = number
        self.growth = 1.0 + STD**2 * number
        self.variance = 4.0 * label + 4.0 * CENTRE**2 * number / self.growth

    def _mean(self, function):
        """The mean of a function of the log odds."""

        def integrand(z, label):
            log_odds = np.log(LABELS[1] / LABELS[0]) + (2 * label - 1) * self.variance / 2
            return LABELS[label] * stats.norm.pdf(z) * function(log_odds + self.variance**0.5 * z)

        return sum(integrate.quad(integrand, -9, 9, args=(label,))[0] for label in (0, 1))

    def label_entropy(self):
        """H(label | evidence)."""
        return self._mean(
            lambda odds: special.entr(special.expit(odds)) + special.entr(special.expit(-odds))
        )

    def number_variance(self):
        """The mean of Var(number | evidence)."""
        uncertain = self._mean(lambda odds: special.expit(odds) * special.expit(-odds))
        return STD**2 / self.growth + uncertain * (2 * CENTRE / self.growth) ** 2

    def information(self):
        """I(label, number; evidence)."""
        return exact.entropy(LABELS) - self.label_entropy() + 0.5 * np.log(self.growth)

    def number_reconstruction(self):
        """The mean of -log N(number; its mean given the evidence, 1 / (1 + accuracy))."""
        precision = 1.0 + self.number
        cost = stats.norm(0, precision**-0.5).entropy()
        return cost + 0.5 * (precision * self.number_variance() - 1.0)


# Two numbers that are normal together.
COVARIANCE = 0.2**2 * np.array([[1.0, 0.8], [0.8, 1.5]])


class NormalPairPosterior(keras.layers.Layer):
    """The exact means of two dependent normal numbers, given both evidences."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        s = evidence_of(self.flow, inputs)
        prior = np.linalg.inv(COVARIANCE)
        # The inverse of prior + diag(beta).
        first, second = (
            float(prior[i, i]) + accuracy_of(self.flow, inputs, name)
            for i, name in enumerate(("first", "second"))
        )
        both = float(prior[0, 1])
        determinant = first * second - both**2
        return {
            "first": (second * s["first"] - both * s["second"]) / determinant,
            "second": (first * s["second"] - both * s["first"]) / determinant,
        }


def make_normal_pair_model():
    flow = {
        "first": ContinuousFlow(0.05, prediction="data"),
        "second": ContinuousFlow(schedule=QuadraticSchedule(60.0), prediction="data"),
    }
    event_shape = {"first": (), "second": ()}
    return keras_bfn.BayesianFlowNetwork(flow, NormalPairPosterior(flow), event_shape, seed=0)
