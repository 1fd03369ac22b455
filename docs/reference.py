"""What Griffe, which reads the source for the reference, has to be told of it."""

import copy
import re
import textwrap

import griffe

EXAMPLE = re.compile(r"^>>> .*\n?(?:^\S.*\n?)*", re.MULTILINE)
CALL_ARGUMENTS = re.compile(r"^Call arguments:\n((?: {4}.*\n?)+)", re.MULTILINE)
RETURNS = re.compile(r"^Returns:\n((?: {4}.*\n?)+)", re.MULTILINE)


class Reference(griffe.Extension):
    """Makes methods of what a class has from other modules, and blocks and lists of docstrings."""

    def on_package(self, *, pkg, loader, **kwargs):
        for item in _all_members(pkg):
            if item.docstring:
                text = EXAMPLE.sub(_fence, item.docstring.value)
                text = CALL_ARGUMENTS.sub(_list, text)
                item.docstring.value = RETURNS.sub(_paragraph, text)
            # Docstrings tell types in words.
            for parameter in item.parameters if item.is_function else ():
                parameter.annotation = None
            if item.is_attribute and not _is_dataclass(item.parent):
                item.annotation = None
        for item in _all_members(pkg):
            if item.is_class:
                _add_methods(item, loader.modules_collection)


def _all_members(item):
    yield item
    for member in item.members.values():
        if not member.is_alias:
            yield from _all_members(member)


def _is_dataclass(item):
    """Whether Griffe needs the annotations of a class's attributes: they are its arguments."""
    return item.is_class and any("dataclass" in str(d.value) for d in item.decorators)


def _fence(match):
    return f"```pycon\n{match[0].rstrip()}\n```\n"


def _list(match):
    items = re.sub(r"^(\w+): ", r"- **`\1`**: ", textwrap.dedent(match[1]), flags=re.MULTILINE)
    return f"**Call arguments:**\n\n{items}"


def _paragraph(match):
    return f"**Returns:**\n\n{textwrap.dedent(match[1])}"


def _add_methods(cls, modules):
    """Finds each `name = module.function` and `name = decorator(function)` in a class's body."""
    for name, attribute in list(cls.attributes.items()):
        value = re.fullmatch(r"(?:\w+\()?(\w+)((?:\.\w+)*)\)?", str(attribute.value))
        if "class-attribute" in attribute.labels and value and value[1] in cls.module.members:
            path = cls.module.resolve(value[1]) + value[2]
            if path.partition(".")[0] != cls.package.name:  # of another package
                continue
            function = modules[path]
            function = function.final_target if function.is_alias else function
            if function.is_function:
                method = copy.copy(function)
                method.name, method.parent = name, cls
                cls.set_member(name, method)
