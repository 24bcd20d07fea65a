"""Who has read one of the algorithms that we ship knows the way about in the others."""

import inspect
import re
from importlib import import_module

import pytest

from development.algorithms import FOLDERS
from development.demonstrations import demonstration

SECTIONS = [
    "Ask for it",
    "What it computes",
    "What leaves the site",
    "Try it without a federation",
    "Build the image",
]
#: Sections that one of them has besides.
OF_ITS_OWN = {"coxph": ["Which baseline"]}
every_algorithm = pytest.mark.parametrize("name", FOLDERS)


def package(name):
    return import_module(f"v6_{name}_py")


@every_algorithm
def test_descriptions_have_the_same_sections_in_the_same_order(name):
    text = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^## (.*)", text, flags=re.M)
    assert [section for section in found if section not in OF_ITS_OWN.get(name, ())] == SECTIONS
    assert f"(../../docs/algorithms/{name}.md)" in text


@every_algorithm
def test_a_description_names_every_function_that_can_be_called(name):
    text = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    assert [function for function in package(name).__all__ if f"`{function}(" not in text] == []


@every_algorithm
def test_a_central_function_lets_the_researcher_choose_the_organizations(name):
    central = getattr(package(name), demonstration(name).method)
    parameters = inspect.signature(central).parameters
    assert list(parameters)[:2] == ["client", "data"]
    assert parameters["organizations"].default is None
