"""How much code there is, and how far a batch goes through it: `python -m tests.lines`.

Lines of code are lines with a token of Python other than a comment or a docstring. The core is what
the module of `BayesianFlowNetwork` imports at its top level, with what these modules import. Calls
are those of functions of the package, lambdas and comprehensions among them, counted by
`sys.setprofile` on PyTorch, in a `fit` of one batch and a `generate` of four steps by the paper's
sampler, after the first of each.
"""

import ast
import collections
import inspect
import io
import os
import pathlib
import subprocess
import sys
import tokenize

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_bfn"
IGNORED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def docstring_lines(tree):
    """The numbers of the lines of all docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            lines.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def code_lines(source):
    """The numbers of the lines that hold code."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in IGNORED:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - docstring_lines(ast.parse(source))


def functions(tree):
    """All functions, those within others too."""
    return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def takes_self_outside(tree):
    """The names of functions that take `self`, but stand in no class."""
    within = {
        id(function)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for function in functions(node)
    }
    return [
        function.name
        for function in functions(tree)
        if id(function) not in within
        and any(argument.arg == "self" for argument in function.args.args[:1])
    ]


def private_keras_names(tree):
    """Private names of Keras: those imported from `keras.src`, and known private attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras.src"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Attribute) and node.attr in private_attributes():
            found.add(node.attr)
        if isinstance(node, ast.FunctionDef) and node.name in private_attributes():
            found.add(node.name)
        if isinstance(node, ast.Constant) and node.value in private_attributes():
            found.add(node.value)
    return found


def private_attributes():
    """Names with one underscore in front that Keras's own classes have and the package may use."""
    if not _PRIVATE:
        import keras

        with_weights = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        with_weights.compile("adamw")
        for made in (
            with_weights,
            with_weights.optimizer,
            with_weights.layers[0],
            keras.random.SeedGenerator(0),
            keras.callbacks.ModelCheckpoint("x.keras"),
        ):
            _PRIVATE.update(n for n in dir(made) if n.startswith("_") and not n.startswith("__"))
        _PRIVATE.update(("_jax_state", "_model_variables_moving_average"))
    return _PRIVATE


_PRIVATE = set()


def read_package():
    """The source and the tree of each file of the package, by its path."""
    sources = {
        path.relative_to(PACKAGE.parent): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))
    }
    return {path: (source, ast.parse(source)) for path, source in sources.items()}


CORE = "keras_bfn.models.bayesian_flow_network"


def modules():
    """The path of each module of the package, by its name."""
    paths = PACKAGE.rglob("*.py")
    named = {path.relative_to(PACKAGE.parent).with_suffix("").parts: path for path in paths}
    return {".".join(parts).removesuffix(".__init__"): path for parts, path in named.items()}


def top_level_imports(tree):
    """The statements that import when a module is imported, not only for checkers of types."""
    found, rest = [], list(tree.body)
    while rest:
        node = rest.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            rest += node.orelse
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            rest += node.body + getattr(node, "orelse", [])
    return found


def imported_by(path, known):
    """The modules that a module imports at its top level, with the packages they are in."""
    found = set()
    for node in top_level_imports(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{name}" for name in names)]
        found.update(name for name in names if name in known)
    packages = {name.rsplit(".", n)[0] for name in found for n in range(1, name.count("."))}
    return (found | packages) - {"keras_bfn"}


def core_modules(start=CORE):
    """The code lines of each module that one imports, directly or through others, by its name."""
    known, found, rest = modules(), {}, [start, start.rsplit(".", 1)[0]]
    while rest:
        name = rest.pop()
        if name not in found:
            found[name] = len(code_lines(known[name].read_text()))
            rest += imported_by(known[name], known)
    return found


def print_core():
    found = core_modules()
    print(f"\ncore: {sum(found.values())} code lines in {len(found)} modules")
    source = modules()[CORE].read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == "BayesianFlowNetwork":
            lines = code_lines(source) & set(range(node.lineno, node.end_lineno + 1))
            print(f"`BayesianFlowNetwork`: {len(lines)} code lines")


def print_sizes(files):
    by_package = collections.Counter()
    for path, (source, _) in files.items():
        package = path.parts[1] if len(path.parts) > 2 else "(top level)"
        by_package[package] += len(code_lines(source))
    for package, count in by_package.most_common():
        print(f"{package:<16}{count:>7}")
    print(f"{'code lines':<16}{sum(by_package.values()):>7}")
    print(f"{'modules':<16}{len(files):>7}")


def print_functions(files, longest=8):
    outside = {path: takes_self_outside(tree) for path, (_, tree) in files.items()}
    named = [f"{path}: {name}" for path, names in outside.items() for name in names]
    print(f"\nfunctions with `self` outside classes: {len(named)}")
    print("".join(f"  {name}\n" for name in named), end="")
    private = collections.defaultdict(list)
    for path, (_, tree) in files.items():
        for name in private_keras_names(tree):
            private[name].append(str(path))
    print(f"private names of Keras: {len(private)}")
    for name, paths in sorted(private.items()):
        print(f"  {name}: {', '.join(paths)}")
    sizes = []
    for path, (source, tree) in files.items():
        lines = code_lines(source)
        sizes += [
            (len(lines & set(range(f.lineno, f.end_lineno + 1))), f"{path}: {f.name}")
            for f in functions(tree)
        ]
    print("longest functions, in lines of code:")
    for size, name in sorted(sizes, reverse=True)[:longest]:
        print(f"  {size:>4}  {name}")


def count_calls(function):
    """How many calls of functions of the package `function` makes, and in how many modules."""
    calls = collections.Counter()

    def count(frame, event, _):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(f"{PACKAGE}{os.sep}"):
            calls[path] += 1

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return sum(calls.values()), len(calls)


def print_calls():
    """Counts the calls of `fit` of one batch, and of `generate` of one step, not the first ones."""
    import keras
    import numpy as np

    import keras_bfn

    keras.utils.set_random_seed(0)
    flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=3.0)
    network = keras_bfn.networks.MLP(flow, event_shape=(4,), width=16)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile("adamw")
    x = np.random.default_rng(0).integers(0, 3, (8, 4))
    verbs = {
        "`fit` of one batch": lambda: model.fit(x, batch_size=8, verbose=0),
        "`generate` in 4 steps": lambda: model.generate(2, 4, "ancestral", verbose=0),
    }
    signature = inspect.signature(keras_bfn.BayesianFlowNetwork.generate)
    taken, letters = len(signature.parameters) - 1, len(str(signature))
    print(f"\n`generate`: {taken} arguments, a signature of {letters} letters")
    print("\ncalls on PyTorch, in modules:")
    for name, verb in verbs.items():
        verb()
        print("  {}: {} in {}".format(name, *count_calls(verb)))


def main():
    files = read_package()
    print_sizes(files)
    print_core()
    print_functions(files)
    command = [sys.executable, "-c", "from tests.lines import print_calls; print_calls()"]
    sys.stdout.flush()
    subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "torch"}, check=True)


if __name__ == "__main__":
    main()
