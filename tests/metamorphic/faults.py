"""Faults that are put into a copy of the package, one at a time, and are to be found.

    KERAS_BACKEND=torch python -m tests.metamorphic.faults [--cases 400] [numbers of faults]

Each is a text of the package in the place of another, which must be there once. A fault is found
if a case of its kinds is wrong that is not wrong without it.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys

from tests.faults import HERE, Fault, find_all

KEY = "            key = kind, key_of(arguments, _layer_key)\n"
BY_CLASS = """\
            from keras_bfn.{module} import {base}

            key = kind, key_of(
                [type(a).__name__ if isinstance(a, {base}) else a for a in arguments], _layer_key
            )
"""

FAULTS = [
    Fault(
        "programs are kept by the name of the guidance's class",
        "models/programs.py",
        KEY,
        BY_CLASS.format(module="guidance", base="Guidance"),
        ("verbs",),
    ),
    Fault(
        "programs are kept by the name of the sampler's class",
        "models/programs.py",
        KEY,
        BY_CLASS.format(module="samplers", base="Sampler"),
        ("verbs",),
    ),
    Fault(
        "programs of another number of steps go on with the first one's scales",
        "models/programs.py",
        "        if scales:\n",
        "        if scales and not ops.convert_to_numpy(self.scales).any():\n",
        ("verbs",),
    ),
    Fault(
        "programs stay when LoRA changes the network",
        "models/programs.py",
        "        return not are_same or before[-1] != how\n",
        "        return False\n",
        ("verbs",),
        "tensorflow",
    ),
    Fault(
        "a call with a seed leaves the model's own stream elsewhere",
        "_keras.py",
        "        generator.state.assign(before)\n",
        "        pass\n",
        ("verbs",),
    ),
    Fault(
        "null conditions are cast to a dtype that does not hold all of them",
        "inputs/conditions.py",
        "        return ops.broadcast_to(ops.cast(null, condition.dtype), ops.shape(condition))\n",
        '        null = ops.cast(ops.cast(null, "uint8"), condition.dtype)\n'
        "        return ops.broadcast_to(null, ops.shape(condition))\n",
        ("forms",),
    ),
    Fault(
        "`inpaint` returns the dtype that it was given",
        "guidance/inpainting.py",
        "    return draw(model, AncestralSampler(), inputs, classifier_free, options)\n",
        "    found = draw(model, AncestralSampler(), inputs, classifier_free, options)\n"
        "    if not options.return_details:\n"
        "        found = map_parts(lambda new, dtype: new.astype(dtype), found, came)\n"
        "    return found\n",
        ("forms",),
        more=(
            (
                "    inputs, x, known = prepare(model, x, known, lengths)\n",
                "    came = map_parts(lambda x: np.asarray(x).dtype, x)\n"
                "    inputs, x, known = prepare(model, x, known, lengths)\n",
            ),
        ),
    ),
    Fault(
        "rows of frames come in the order of the index",
        "_validation.py",
        "keras.ops.is_tensor(x) else np.asarray(x)\n",
        "keras.ops.is_tensor(x) else np.asarray(\n"
        '            x.sort_index() if hasattr(x, "sort_index") else x\n        )\n',
        ("forms",),
    ),
    Fault(
        "parts are told apart by their places",
        "_parts.py",
        "*(x[name] if isinstance(x, dict) else x for x in others)",
        "*(\n"
        "            dict(zip(first, x.values()))[name]\n"
        "            if isinstance(x, dict) and set(x) == set(first)\n"
        "            else x[name] if isinstance(x, dict) else x\n"
        "            for x in others\n"
        "        )",
        ("forms",),
    ),
    Fault(
        "the rows that fill the last batch are returned, and others lost",
        "models/programs.py",
        "rows[: batches.num]",
        "rows[-batches.num :]",
        ("forms", "weights"),
    ),
    Fault(
        "conditions of the second batch are those of the first, in `code_length`",
        "models/programs.py",
        "lambda values: values[rows], self.inputs)\n",
        "lambda values: values[rows] if values.ndim > 1 else values[: len(rows)], self.inputs)\n",
        ("forms",),
    ),
    Fault(
        "the first batch of a generator is lost",
        "inputs/arrays.py",
        "for batch in itertools.chain(batches, x))",
        "for batch in x)",
        ("forms",),
    ),
    Fault(
        "what is missing costs something, in `code_length`",
        "models/scoring.py",
        'count_variables(x, observed, inputs.get("sample_weight"))',
        'count_variables(x, None, inputs.get("sample_weight"))',
        ("weights",),
    ),
    Fault(
        "the network is shown what is missing",
        "models/bayesian_flow_network.py",
        "return self.predict_params(s, state.t, condition, observed, training, t_next)\n",
        "return self.predict_params(s, state.t, condition, None, training, t_next)\n",
        ("weights",),
    ),
    Fault(
        "weights of variables are cut to integers",
        "inputs/missing.py",
        '        weight = ops.cast(weight, "float32")\n',
        '        weight = ops.cast(ops.cast(weight, "int32"), "float32")\n',
        ("weights",),
    ),
    Fault(
        "the mean over variables is one over batches, in bits",
        "models/sums.py",
        "update_state(bits, weights.in_means)\n",
        "update_state(bits)\n",
        ("weights",),
    ),
    Fault(
        "averaged weights are the raw ones",
        "models/averaging.py",
        "        assign(averages)\n",
        "        assign(raw)\n",
        ("saving",),
    ),
    Fault(
        "checkpoints lack the state of the seeds",
        "callbacks/resume.py",
        "[*self.model.variables, *self.model.optimizer.variables]",
        "[*self.model.weights, *self.model.optimizer.variables]",
        ("saving",),
    ),
    Fault(
        "files lack how often `evaluate` repeats",
        "models/bayesian_flow_network.py",
        '"num_repeats": self.num_repeats}\n',
        '"num_repeats": 1}\n',
        ("saving",),
    ),
    Fault(
        "files lack the null condition",
        "models/bayesian_flow_network.py",
        'own_config(self, BayesianFlowNetwork), "name": self.name}',
        'own_config(self, BayesianFlowNetwork), "name": self.name, "null_condition": None}',
        ("saving",),
    ),
]


def run(folder, fault, num_cases, seed, kind):
    """Runs cases of a kind; yields the seeds of those that are wrong."""
    own = {"KERAS_BACKEND": fault.backend} if fault.backend else {}
    cases = [f"{num_cases}", f"{seed}", "--kinds", kind]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.metamorphic", *cases],
        cwd=folder,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stdout:
            if line.startswith("wrong: "):
                yield int(line.split()[-1])
    finally:
        with contextlib.suppress(ProcessLookupError):  # its processes, too, if it is not at its end
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*")
    parser.add_argument("--cases", type=int, default=400)
    options = parser.parse_args()

    def find(folder, fault):
        for kind in fault.finders:
            for seed in run(folder, fault, options.cases, 0, kind):
                if not list(run(HERE, fault, 1, seed, kind)):
                    return kind, seed
        return None

    find_all(FAULTS, options.numbers, find)


if __name__ == "__main__":
    main()
