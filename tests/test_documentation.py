"""Docstrings of public names are whole: arguments, what is returned and raised, an example."""

import ast
import inspect
import re
import textwrap

import pytest

import keras_bfn

pytestmark = pytest.mark.once

SECTIONS = [
    module
    for name, module in vars(keras_bfn).items()
    if inspect.ismodule(module) and module.__spec__.submodule_search_locations and name[0] != "_"
]
NAMES = {
    f"{module.__name__}.{name}": value
    for module in [keras_bfn, *SECTIONS]
    if module is not keras_bfn.models
    for name, value in vars(module).items()
    if name[0] != "_" and (inspect.isclass(value) or inspect.isfunction(value))
}
# Imported when it is asked for, as scikit-learn is.
NAMES["keras_bfn.tables.TableEstimator"] = keras_bfn.tables.TableEstimator
SINGLE_MODULES = {
    f"{module.__name__}.{name}": value
    for module in (keras_bfn.devices, keras_bfn.recipes, keras_bfn.series, keras_bfn.simulation)
    for name, value in vars(module).items()
    if name[0] != "_" and getattr(value, "__module__", None) == module.__name__
}
# Steps of a model's verbs, which subclasses in the package override. No user calls them.
HOOKS = {
    "call_network",
    "complete",
    "costs",
    "draw_state",
    "network_inputs",
    "predict_in",
    "predict_state",
}
HOOKS |= {"without_condition"}
METHODS = {
    f"{name}.{method}": getattr(function, "__func__", function)
    for name, cls in NAMES.items()
    if inspect.isclass(cls)
    for method, function in vars(cls).items()
    if not method.startswith("_") and method not in HOOKS
    if "Args:" in (function.__doc__ or "")
}
# What is still to be written: an example, which `**kwargs`, what is returned.


def section(documented, title):
    """What a docstring has below a title, without its indent."""
    text = inspect.cleandoc(documented.__doc__) + "\n"
    found = re.search(rf"^{title}:\n((?: {{4}}.*\n|\n)*)", text, re.MULTILINE)
    return textwrap.dedent(found[1]) if found else ""


def arguments_of(documented):
    """What a docstring says of arguments: a dict by their names."""
    entries = re.findall(
        r"^([\w*]+(?:, [\w*]+)*): ((?:.*\n)(?:^ .*\n|^\n)*)",
        section(documented, "Args") + section(documented, "Attributes"),
        re.MULTILINE,
    )
    return {name: said for names, said in entries for name in names.split(", ")}


def signature_of(documented):
    """The names of arguments, those with stars among them."""
    parameters = inspect.signature(documented).parameters
    taken = (p for name, p in parameters.items() if name not in ("self", "cls"))
    return {re.match(r"[*\w]+", str(p))[0] for p in taken}


def code_of(documented):
    """A function, or the constructor of a class that is the package's, as a tree; or None."""
    if inspect.isclass(documented):
        documented = documented.__init__
    if not getattr(documented, "__module__", "").startswith("keras_bfn."):
        return None
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(documented))).body[0]
    except (OSError, TypeError):  # made by Python: of a data class
        return None


@pytest.mark.parametrize("name", [n for n in [*NAMES, *METHODS] if not n.endswith("Error")])
def test_arguments_are_documented(name):
    documented = {**NAMES, **METHODS}[name]
    found, taken = arguments_of(documented), signature_of(documented)
    if inspect.isclass(documented) and "__init__" not in vars(documented):
        for base in documented.__mro__[:-1]:
            found = arguments_of(base) | found if base.__doc__ else found
    elif section(documented, "Args") and not section(documented, "Attributes"):
        assert set(found) <= taken, "are documented, and not there"
    assert taken <= set(found), "are not documented"
    for argument in taken:
        assert not argument.startswith("**") or "`" in found[argument], f"which {argument}?"


def functions_of(documented):
    """A function, or the package's own methods and properties of a class, inherited ones too.

    But for `HOOKS`. If an override has no hints, it is the method that it overrides, which has.
    """
    if not inspect.isclass(documented):
        return [documented]
    found = []
    for name in dir(documented):
        if name in ("__init__", "__call__") or not (name.startswith("_") or name in HOOKS):
            members = (vars(cls)[name] for cls in documented.__mro__ if name in vars(cls))
            functions = [
                inspect.unwrap(getattr(m, "fget", None) or getattr(m, "__func__", m))
                for m in members
            ]
            hinted = (f for f in functions if getattr(f, "__annotations__", None))
            found.append(next(hinted, functions[0]))
    return [f for f in found if inspect.isfunction(f) and f.__module__.startswith("keras_bfn.")]


@pytest.mark.parametrize("name", [*NAMES, *SINGLE_MODULES])
def test_arguments_and_results_have_type_hints(name):
    for function in functions_of({**NAMES, **SINGLE_MODULES}[name]):
        stars = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
        parameters = inspect.signature(function).parameters.values()
        taken = {p.name for p in parameters if p.kind not in stars} - {"self", "cls"}
        assert taken | {"return"} <= set(function.__annotations__), function


@pytest.mark.parametrize("name", list(NAMES))
def test_an_example_is_shown(name):
    assert re.search(r"^ *>>> |```python", NAMES[name].__doc__, re.MULTILINE)


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_what_is_returned_and_raised_is_documented(name):
    documented = {**NAMES, **METHODS}[name]
    code = code_of(documented)
    if code is None:
        return
    nodes = list(ast.walk(code))
    if inspect.isfunction(documented) and any(isinstance(n, ast.Return) and n.value for n in nodes):
        assert section(documented, "Returns")
    raised = {ast.unparse(n.exc) for n in nodes if isinstance(n, ast.Raise) and n.exc}
    called = {ast.unparse(n.func) for n in nodes if isinstance(n, ast.Call)}
    raised = {error for error in raised if not re.match(r"NotImplementedError|lacks\(", error)}
    if raised or any(c.startswith("check_") for c in called):
        assert section(documented, "Raises")


@pytest.mark.parametrize(
    "name", [name for name in NAMES if re.search("(Flow|Schedule|Loss|Sampler)$", name)]
)
def test_the_maths_has_a_source(name):
    is_base = NAMES[name].__name__ in ("Flow", "Schedule", "BFNLoss", "Sampler")
    assert is_base or re.search("^Reference: ", inspect.cleandoc(NAMES[name].__doc__), re.MULTILINE)
