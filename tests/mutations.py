"""Faults that the quick tests are to find, each in a copy of the package.

    python -m tests.mutations [--likely] [numbers of faults]

All tests that are not marked slow run on PyTorch up to the first that fails: those of the faulty
file first, then those of its room and of rooms that use it, then, but for `--likely`, all others.
A fault is found by a test that passes without it. Each is a bug that could have been written, and
was chosen by reading the package, not the tests.
"""

import argparse
import os
import pathlib
import subprocess
import sys

from tests.faults import HERE, Fault, find_all

FAULTS = [
    Fault(
        "receivers take two classes for half as far apart, squared, as they are",
        "flows/discrete.py",
        "noise - precision * (1.0 - e_x)\n",
        "noise - 0.5 * precision * (1.0 - e_x)\n",
        ("losses",),
    ),
    Fault(
        "rare runs of classes are estimated by how often shorter ones occur, not after how many",
        "flows/priors.py",
        "counts = np.count_nonzero(self._counts_after(n + 1), axis=0)\n",
        "counts = self._counts_after(n + 1).sum(axis=0)\n",
    ),
    Fault(
        "numbers are rounded to levels from -1 to 1, whose end bins are half as wide",
        "distributions/discrete.py",
        "number = ops.floor(0.5 * (value + 1.0) * num_bins)\n",
        "number = ops.floor(0.5 * (value + 1.0) * (num_bins - 1) + 0.5)\n",
        ("flows",),
    ),
    Fault(
        "of many classes, the row and the column are drawn by one number",
        "distributions/discrete.py",
        "axis=0), shares[:, 1])\n",
        "axis=0), shares[:, 0])\n",
    ),
    Fault(
        "an exponential schedule's message has the accuracy of the next one",
        "schedules/schedule.py",
        'ops.exp(pace * (ops.cast(step, "float32") - 1.0)) * ops.expm1(pace)\n',
        'ops.exp(pace * ops.cast(step, "float32")) * ops.expm1(pace)\n',
        ("losses", "flows"),
    ),
    Fault(
        "messages drawn for one divergence are added up, not averaged",
        "losses/losses.py",
        "return self.num_steps * sum(draws) / self.num_samples\n",
        "return self.num_steps * sum(draws)\n",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "the receiver's log density is the mean of log densities, not the log of their mean",
        "flows/flow.py",
        "return log_expected_ratio(distribution.log_probs(), ratios)\n",
        "return ops.sum(ops.exp(distribution.log_probs()) * ratios, axis=-1)\n",
        ("losses",),
    ),
    Fault(
        "times rise with the row of a batch",
        "losses/losses.py",
        'order = ops.argsort(uniform((batch_size,), seed_of(seed, "order")))\n',
        "order = ops.arange(batch_size)\n",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "steps with less noise have that share of its standard deviation, however long they are",
        "samplers/samplers.py",
        "+ ops.sqrt(precision * (1.0 - kept(square))) * normal",
        "+ self.noise * ops.sqrt(precision * (1.0 - kept(1.0))) * normal",
    ),
    Fault(
        "the first step of a second order goes on along a line from zero",
        "samplers/samplers.py",
        "        ratio = ops.where(t_last < 0, 0.0, ratio)\n",
        "",
    ),
    Fault(
        "deterministic samplers start at a variance of 1, not of the gain",
        "samplers/samplers.py",
        "return math.sqrt(flow.gain) * normal(shape, seed)\n",
        "return normal(shape, seed)\n",
    ),
    Fault(
        "a dict's conditions are dropped each by itself, though their rate is one",
        "inputs/conditions.py",
        "draw() if isinstance(rates, dict) else together\n",
        "draw()\n",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "with weights of examples, one of few variables counts in means as one of many",
        "models/sums.py",
        "in_means = size if of_examples is None else size * of_examples\n",
        "in_means = size if of_examples is None else of_examples\n",
        ("inputs",),
    ),
    Fault(
        "times in training are drawn from a kind of state's share of [0, 1] alone",
        "orders/states.py",
        "u = ops.clip((place - start) / share, 0.0,",
        "u = ops.clip(place, 0.0,",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "all draws from one integer are the same",
        "_random.py",
        "return _hash(seed, *draw.encode())\n",
        "return _hash(seed)\n",
        ("test_one_seed.py", "losses"),
    ),
    Fault(
        "the network is told times of variables that are missing",
        "orders/any_order_network.py",
        "t, s = ops.where(observed, t, 0.0), ops.where(observed[..., None], s, 0.0)\n",
        "s = ops.where(observed[..., None], s, 0.0)\n",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "frequencies come to the coder as they are, not in whole units",
        "codec/stack.py",
        'counts = np.rint(np.asarray(probs, "float64") * 2**PROBABILITY_BITS)\n',
        'counts = np.asarray(probs, "float64") * 2**PROBABILITY_BITS\n',
    ),
    Fault(
        "groups are pushed in the order in which they are popped",
        "codec/receiver.py",
        "reversed(range(len(self.coded)))",
        "range(len(self.coded))",
    ),
    Fault(
        "the stack's lowest state is never forgotten",
        "codec/stack.py",
        "\n        self.lowest_words = self._coder.num_words()\n",
        "\n        self.lowest_words = self.fewest_words\n",
    ),
    Fault(
        "earlier evidence is drawn by a wider bridge than there is",
        "codec/chain.py",
        "np.append(1.0 - self.kept[:-1], 1.0)\n",
        "np.append(1.0 - self.kept[:-1] ** 2, 1.0)\n",
    ),
    Fault(
        "numbers become the grid's next below, not the nearest",
        "tables/grids.py",
        "np.searchsorted(0.5 * (values[1:] + values[:-1]), known)",
        "np.searchsorted(values[1:], known)",
    ),
    Fault(
        "quantiles count the numbers up to a value, itself among them",
        "tables/numbers.py",
        "middles = 0.5 * (starts + ends)\n",
        "middles = 1.0 * ends\n",
    ),
    Fault(
        "cells that are 0, false or empty are filled in",
        "tables/table.py",
        "new if cell is None else cell for cell, new",
        "cell or new for cell, new",
    ),
    Fault(
        "guidance by conditions goes one further than its scale",
        "models/classifier_free.py",
        "guided = without + expand",
        "guided = params + expand",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "measurements of classes take each class's probability for independent of the others",
        "guidance/likelihoods.py",
        "covariance = covariance - ops.matmul(means, ops.transpose(means, (0, 2, 1)))\n",
        "pass\n",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "random groups are cut as if what is not sent were",
        "orders/orders.py",
        "ops.maximum(size - num_closed, 1.0)",
        "size",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "the last prediction of a block is made at the time of the one before",
        "orders/programs.py",
        "rows.append((group, times[-1], times[-1], 1.0))\n",
        "rows.append((group, times[-2], times[-1], 1.0))\n",
        ("models", "inputs", "guidance", "orders"),
    ),
    Fault(
        "positions attend to the next one, too, where they may not",
        "layers/attention.py",
        'np.tril(np.ones((positions, positions), "bool"))',
        'np.tril(np.ones((positions, positions), "bool"), 1)',
        ("models", "orders", "networks"),
    ),
    Fault(
        "a time embedding's offset is one of angles",
        "layers/embeddings.py",
        'angles = (ops.cast(t, "float32")[:, None] + self.offset) * frequencies\n',
        'angles = ops.cast(t, "float32")[:, None] * frequencies + self.offset\n',
        ("networks", "checkpoints"),
    ),
    Fault(
        "exported steps start at time 0 alone, whatever the sampler's start",
        "models/exported.py",
        "is_first = t <= first\n",
        "is_first = t <= 0.0\n",
        ("saving",),
    ),
    Fault(
        "jumps that start where paths begin are taken for jumps from `start`",
        "distillation/trajectories.py",
        "np.sqrt(beta), np.sqrt([0.0, *beta[1:]])\n",
        "np.sqrt(beta), np.sqrt(beta)\n",
    ),
    Fault(
        "jumps to the data aim at the mean along the path",
        "distillation/trajectories.py",
        "target = np.where(_expand(to_data, data), data, mean)\n",
        "target = mean\n",
    ),
    Fault(
        "the condition of a jump is that of the path of the same number, not of its own",
        "distillation/trajectories.py",
        "lambda values: values[path], conditions)\n",
        "lambda values: values[: len(path)], conditions)\n",
    ),
    Fault(
        "students with fresh noise jump to the next time, not to the data",
        "distillation/jump_sampler.py",
        "return ops.ones_like(t_next) if self.fresh_noise else t_next\n",
        "return t_next\n",
        ("distillation",),
    ),
    Fault(
        "the new layer of a guided student is not silent at first",
        "distillation/student.py",
        "[0.0 * weight for weight in layer.get_weights()]",
        "layer.get_weights()",
    ),
    Fault(
        "weights of examples have no effect on the loss of a student",
        "distillation/distiller.py",
        "self._mean(per_variable, per_variable, sample_weight)",
        "self._mean(per_variable, per_variable, None)",
    ),
    Fault(
        "hundreds of classes are an input of the mixer each",
        "networks/multi_part.py",
        "if not flow.theta_is_probs or theta.shape[-1] <= EMBEDDING:\n",
        "if not flow.theta_is_probs or theta.shape[-1] <= 100 * EMBEDDING:\n",
    ),
    Fault(
        "missing cells count where nearly all cells must be different to be names",
        "tables/table.py",
        "num_cells = sum(cell is not None for cell in cells)\n",
        "num_cells = len(cells)\n",
        ("test_arguments.py",),
    ),
    Fault(
        "a cell that is said to be missing is there",
        "tables/table.py",
        "codes = {None: code, MISSING: 0}\n",
        "codes = {None: code, MISSING: 1}\n",
    ),
    Fault(
        "what divides the differences of a few floats is their grid",
        "tables/grids.py",
        "    step = step if are_integers or len(values) >= FEWEST else 1\n",
        "",
    ),
    Fault(
        "missing cells of later columns are unknown while one column is filled in",
        "tables/model.py",
        "cells |= unmark({target: cells[target]})\n",
        "cells |= unmark(cells)\n",
    ),
    Fault(
        "rows of a sequence are never known to miss a cell",
        "tables/sequences.py",
        "self.nullable = [*entities.nullable, *rows.nullable]\n",
        "self.nullable = [*entities.nullable]\n",
    ),
    Fault(
        "forecasts of whole numbers are rounded down",
        "series.py",
        'np.round(x) if "integers" in self.domain',
        'np.floor(x) if "integers" in self.domain',
        ("test_series_domain.py",),
    ),
    Fault(
        "of a part that is known in part, half is known in all examples",
        "orders/states.py",
        "(noise < uniform((batch_size, 1), seed))",
        "(noise < 0.5)",
    ),
    Fault(
        "messages of an order arrive when the first of them does",
        "orders/states.py",
        "return ops.max(ops.reshape(after, (ops.shape(after)[0], -1)), axis=1)\n",
        "return ops.min(ops.reshape(after, (ops.shape(after)[0], -1)), axis=1)\n",
        ("models/test_arrival_times.py",),
    ),
    Fault(
        "a student's new noise is that of messages, whatever its scale",
        "distillation/jump_sampler.py",
        "t, state = 0.0, self.noise_scale * noise\n",
        "t, state = 0.0, noise\n",
    ),
    Fault(
        "a sequence that ends is accepted in any state",
        "guidance/syntax.py",
        "accepted = [done if s in self.accept else rejected for s in range(num_states)]\n",
        "accepted = [done for s in range(num_states)]\n",
    ),
    Fault(
        "an exported step combines predictions by the default rule, whatever is asked",
        "models/exported.py",
        "rule = ClassifierFreeGuidance() if guided is True else guided or None\n",
        "rule = ClassifierFreeGuidance() if guided else None\n",
        ("saving",),
    ),
]


def files_in_order(fault):
    """The tuple of the files of tests that are likely to find a fault, and of all others."""
    module = pathlib.PurePath(fault.path)
    own = module.parent / f"test_{module.stem.strip('_')}.py"
    rooms = [room for room in (str(module.parent), *fault.finders) if room != "."]
    tests = HERE / "tests"
    paths = sorted(path.relative_to(tests) for path in tests.rglob("test_*.py"))
    likely = [own] if own in paths else []
    likely += [path for room in rooms for path in paths if path.is_relative_to(room)]
    likely = list(dict.fromkeys(likely))
    others = [path for path in paths if path not in likely]
    # Those of no room are of guides, examples and all else that takes long.
    return likely, sorted(others, key=lambda path: (path.parent == pathlib.PurePath(), path))


def first_failure(folder, tests, passed_over=()):
    """The first of some tests that fails in a copy of the repository; None if none does."""
    command = [sys.executable, "-m", "pytest", "-xq", "--everywhere", "-p", "no:cacheprovider"]
    command += [f"--deselect={test}" for test in passed_over]
    environment = {"KERAS_BACKEND": "torch", **os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        command + tests, cwd=folder, env=environment, capture_output=True, text=True
    )
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" ", 1)[1].split(" - ")[0]
    if done.returncode:
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return None


def find(folder, fault, stages):
    """The first test that fails with a fault, and passes without it; None if there is none."""
    passed_over = []
    for paths in stages:
        tests = [f"tests/{path}" for path in paths]
        while tests and (found := first_failure(folder, tests, passed_over)):
            if not first_failure(HERE, [found]):
                return found
            print(f"wrong without a fault: {found}", flush=True)
            passed_over.append(found)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*")
    parser.add_argument("--likely", action="store_true")
    options = parser.parse_args()

    def find_in(folder, fault):
        likely, others = files_in_order(fault)
        return find(folder, fault, [likely] if options.likely else [likely, others])

    find_all(FAULTS, options.numbers, find_in)


if __name__ == "__main__":
    main()
