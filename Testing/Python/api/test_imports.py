"""`import ACSegLib as acseg`: what it offers, what it loads, and packages that can be called."""

import inspect
import subprocess
import sys

import pytest

import ACSegLib as acseg

FUNCTIONS = ("open", "save", "fill", "refill", "predict", "train", "measure", "compare")
#: Modules that `import ACSegLib` loads: errors and progress, and neither the data classes nor the steps.
LIGHT = {"", "version", "errors", "jobs", "json_values"}


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_library_loads_neither_numpy_nor_the_data_classes():
    code = "import sys, ACSegLib; print(*[m for m in sys.modules if m.split('.')[0] in ('ACSegLib', 'numpy')])"
    assert set(run(code)) == {f"ACSegLib.{name}".rstrip(".") for name in LIGHT}


@pytest.mark.parametrize("name", ["Geometry", "Segment", "Segmentation", "Volume"])
def test_the_data_classes_are_those_of_their_module(name):
    assert getattr(acseg, name) is getattr(acseg.volume, name)
    assert name in dir(acseg)


def test_the_class_of_tables_is_offered():
    assert acseg.Table is acseg.api.Table
    assert "Table" in dir(acseg)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_offered_with_documentation(name):
    function = getattr(acseg, name)
    assert callable(function)
    assert name in dir(acseg)
    documented = inspect.getdoc(getattr(acseg.api, name))
    for section in ("Parameters", "Returns", "Raises"):
        assert section in documented


def test_the_package_of_the_functions_is_loaded_when_it_is_used():
    assert run("import ACSegLib as acseg; print(acseg.api.fill.__name__)") == ["fill"]


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="segment_everything"):
        acseg.segment_everything  # noqa: B018


def test_star_import_does_not_hide_built_in_functions():
    code = "import builtins; from ACSegLib import *; print(open is builtins.open, fill.__name__)"
    assert run(code) == ["True", "ACSegLib.fill"]


@pytest.mark.parametrize(
    "imports",
    [
        "import ACSegLib as acseg",
        "import ACSegLib.fill, ACSegLib.measure; import ACSegLib as acseg",
        "from ACSegLib.fill import *; from ACSegLib.measure import *; import ACSegLib as acseg",
        "from ACSegLib import fill, measure; import ACSegLib as acseg; acseg.fill is fill or exit(1)",
        "import ACSegLib.api; import ACSegLib.fill, ACSegLib.measure; import ACSegLib as acseg",
        "import ACSegLib as acseg; acseg.fill, acseg.measure; import ACSegLib.fill; from ACSegLib.api import measure",
    ],
)
def test_a_package_can_be_called_in_any_order_of_imports(imports):
    code = f"{imports}; print(*(type(m).__name__ for m in (acseg.fill, acseg.measure)), acseg.fill.fill.__module__)"
    assert run(code) == ["CallableModule", "CallableModule", "ACSegLib.fill.pipeline"]


def test_the_package_keeps_its_own_function():
    from ACSegLib.fill import fill
    from ACSegLib.fill.pipeline import fill as of_the_pipeline

    assert fill is of_the_pipeline
    assert acseg.fill.fill is of_the_pipeline
    assert acseg.api.fill is not of_the_pipeline


@pytest.mark.parametrize("name", ["fill", "measure"])
def test_a_called_package_has_the_signature_of_the_function(name):
    assert inspect.signature(getattr(acseg, name)) == inspect.signature(getattr(acseg.api, name))
