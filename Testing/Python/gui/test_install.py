"""The install step: one question, PyTorch through its extension and first, the rest as the version of Slicer allows."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


class Shop:
    """Where packages come from: installing one makes its metadata appear, and `log` tells what was done in order."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.log, self.answer, self.broken = folder, [], True, ""
        self.kept = []
        monkeypatch.syspath_prepend(str(folder))

    def deliver(self, arguments):
        option, constraints, *names = arguments
        assert option == "--constraint"
        self.kept = Path(constraints).read_text(encoding="utf-8").split()
        self.log.append(("pip", names))
        if self.broken:
            raise RuntimeError(self.broken)
        for requirement in names:
            self.put(*requirement.split(">="))

    def put(self, name, version):
        place = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def asked(self, text, windowTitle=None, parent=None, **kwargs):
        self.log.append(("ask", text))
        return self.answer

    @property
    def steps(self):
        return [name for name, _ in self.log]


def pytorch_utils(shop, monkeypatch, outcome="installed"):
    """The module of Slicer's extension PyTorch."""

    class PyTorchUtilsLogic:
        def installTorch(
            self,
            askConfirmation=False,
            forceComputationBackend=None,
            torchVersionRequirement=None,
            torchvisionVersionRequirement=None,
        ):
            assert not askConfirmation, "a second question"
            shop.log.append(("torch", torchVersionRequirement))
            if outcome == "declined":
                return None
            if outcome == "failed":
                raise RuntimeError("No space left on device.")
            if outcome == "installed":
                shop.put("acseg-test-torch", "2.5")
            return types.ModuleType("torch")

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    module.__spec__ = importlib.machinery.ModuleSpec("PyTorchUtils", None)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


@pytest.fixture(params=["slicer.packaging", "pip_install of Slicer 5.10"])
def shop(scene, tmp_path, monkeypatch, request):
    """A Slicer that lacks two packages and PyTorch; with `slicer.packaging`, or without as Slicer 5.10."""
    import slicer
    from ACSegPanels import install

    shop = Shop(tmp_path, monkeypatch)
    monkeypatch.setattr(type(slicer.app), "testing", False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", shop.asked)
    monkeypatch.setattr(slicer.util, "pip_install", shop.deliver)
    if request.param != "slicer.packaging":
        monkeypatch.setitem(sys.modules, "slicer.packaging", None)
        monkeypatch.delattr(slicer, "packaging")
    monkeypatch.setitem(install.REQUIREMENTS, "fill", ["numpy>=1.0", "acseg-test-one>=1.2"])
    monkeypatch.setitem(install.REQUIREMENTS, "train", ["acseg-test-two>=3.0"])
    is_installed = install._isInstalled
    monkeypatch.setattr(install, "_isInstalled", lambda r: is_installed(r.replace("torch>", "acseg-test-torch>")))
    return shop


def test_what_is_missing_is_asked_for_once_and_installed(shop):
    from ACSegPanels.install import ensureDependencies

    ensureDependencies("fill")
    assert shop.steps == ["ask", "pip"]
    assert "acseg-test-one" in shop.log[0][1]
    assert "numpy" not in shop.log[0][1]
    assert shop.log[1][1] == ["acseg-test-one>=1.2"]
    ensureDependencies("fill")
    assert len(shop.log) == 2, "the second time nothing is missing"


def test_what_slicer_brings_keeps_its_version(shop):
    """pip would renew numpy, which is loaded and which Slicer's other packages are built on, for that of a package."""
    import numpy as np
    from ACSegPanels.install import KEPT, ensureDependencies

    ensureDependencies("fill")
    assert f"numpy=={np.__version__}" in shop.kept
    assert {line.partition("==")[0] for line in shop.kept} <= set(KEPT)


def test_declining_installs_nothing_and_says_what_to_do(shop):
    from ACSegPanels.install import DependencyError, ensureDependencies

    shop.answer = False
    with pytest.raises(DependencyError, match=r"acseg-test-one>=1\.2: press the button again"):
        ensureDependencies("fill")
    assert shop.steps == ["ask"]


def test_a_failed_installation_gives_its_reason(shop):
    from ACSegPanels.install import DependencyError, ensureDependencies

    shop.broken = "no route to host."
    with pytest.raises(DependencyError, match=r"could not be installed: no route to host\. Slicer's log"):
        ensureDependencies("fill")


def test_what_is_still_missing_afterwards_is_told(shop, monkeypatch):
    from ACSegPanels.install import DependencyError, ensureDependencies

    monkeypatch.setattr(shop, "put", lambda *_: None)
    with pytest.raises(DependencyError, match="restart Slicer"):
        ensureDependencies("fill")


def test_pytorch_comes_first_and_through_its_extension(shop, monkeypatch):
    """Another package that needs PyTorch would bring the build that pip likes, not that of the graphics card."""
    from ACSegPanels.install import ensureDependencies

    pytorch_utils(shop, monkeypatch)
    ensureDependencies("train")
    assert shop.steps == ["ask", "torch", "pip"]
    assert "PyTorch" in shop.log[0][1]
    assert "acseg-test-two" in shop.log[0][1]
    assert shop.log[1][1] == ">=2.2"
    assert not any("torch" in name for name in shop.log[2][1])


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("declined", "press the button again"),
        ("failed", "No space left on device"),
        ("lost", "PyTorch cannot be found"),
    ],
)
def test_pytorch_that_is_not_there_afterwards(shop, monkeypatch, outcome, expected):
    from ACSegPanels.install import DependencyError, ensureDependencies

    pytorch_utils(shop, monkeypatch, outcome)
    with pytest.raises(DependencyError, match=expected):
        ensureDependencies("train")


@pytest.fixture
def extensions(monkeypatch):
    import slicer
    from standin.application import ExtensionsManagerModel

    model = ExtensionsManagerModel()
    monkeypatch.setattr(slicer.app, "_extensions", model)
    return model


def test_the_extension_pytorch_is_offered_where_it_is_missing(shop, extensions):
    from ACSegPanels.install import DependencyError, ensureDependencies

    with pytest.raises(DependencyError, match="restart Slicer"):
        ensureDependencies("train")
    assert extensions.installed == ["PyTorch"]
    assert extensions.restarts == 1
    assert extensions.interactive, "the setting is put back"
    assert shop.steps == ["ask"], "packages wait until after the restart"
    assert "save your work" in shop.log[0][1]


@pytest.mark.parametrize("why", ["declined", "no server"])
def test_without_the_extension_nothing_is_installed(shop, extensions, why):
    from ACSegPanels.install import DependencyError, ensureDependencies

    shop.answer, extensions.reachable = why != "declined", why != "no server"
    with pytest.raises(DependencyError, match="Extensions Manager"):
        ensureDependencies("train")
    assert extensions.installed == []
    assert shop.steps == ["ask"]


def test_testing_mode_changes_no_environment(shop, monkeypatch):
    import slicer
    from ACSegPanels.install import DependencyError, ensureDependencies

    monkeypatch.setattr(type(slicer.app), "testing", True)
    with pytest.raises(DependencyError, match="testing mode"):
        ensureDependencies("train")
    assert shop.log == []


def test_the_button_says_why_and_starts_nothing(shop, fake):
    """In the panel: the sentence, and no fill."""
    import numpy as np
    from standin.scripted import open_module
    from workbench import add_segmentation, add_volume

    from ACSeg import ACSegWidget

    module = open_module(ACSegWidget)
    volume = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.parameters.sourceVolume, module.parameters.segmentation = volume, add_segmentation(volume)
    shop.answer = False
    panel = module.panels["Fill"]
    panel.ui.fillButton.click()
    assert "press the button again" in panel.ui.fillMessage.text
    assert fake.calls == []
    assert panel.ui.fillButton.enabled
    module.cleanup()


def test_the_bounds_are_those_of_the_package(scene):
    """The extension and the pip package need the same versions."""
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli", reason="pytest brings it")
    from ACSegPanels.install import REQUIREMENTS, TORCH_REQUIREMENT

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    bounds = {requirement.partition(";")[0].strip() for requirement in known}
    wanted = {requirement for step in REQUIREMENTS.values() for requirement in step}
    assert wanted | {f"torch{TORCH_REQUIREMENT}"} <= bounds


def test_version_comparison(scene):
    from ACSegPanels.install import _isInstalled

    assert _isInstalled("numpy>=1.9")
    assert not _isInstalled("numpy>=99")
    assert not _isInstalled("no-such-package>=1")


@pytest.mark.parametrize(("driver", "expected"), [(None, False), ("/usr/bin/nvidia-smi", True)])
def test_a_prediction_asks_for_pytorch_only_where_there_is_a_graphics_card(scene, monkeypatch, driver, expected):
    from ACSegPanels import install

    monkeypatch.setattr(install.shutil, "which", lambda name: driver)
    assert install.needsTorch("predict") == expected
    assert install.needsTorch("train")
    assert not install.needsTorch("fill")


def test_one_list_says_what_is_installed_and_installs_and_repairs(shop, monkeypatch, tmp_path):
    import qt
    import slicer
    from ACSegPanels import install
    from ACSegPanels.packages import PackagesSection

    for step in ("measure", "download"):
        monkeypatch.setitem(install.REQUIREMENTS, step, ["acseg-test-one>=1.2"])
    restarted = []
    monkeypatch.setattr(install, "onInstall", [lambda: restarted.append(True)])
    section = PackagesSection()
    section.widget.collapsed = False
    assert "acseg-test-one \u2265 1.2" in section.label.text
    assert "not installed" in section.label.text
    assert f"<td>{__import__('numpy').__version__}&nbsp;&nbsp;</td>" in section.label.text
    section.installButton.click()
    assert section.message.text == "Done."
    assert shop.steps == ["ask", "pip"]
    assert "<td>1.2&nbsp;&nbsp;</td><td>fill, measure, download" in section.label.text
    asked = []
    monkeypatch.setattr(slicer.util, "pip_install", asked.append)
    section.repairButton.click()
    assert asked[0][:2] == ["--force-reinstall", "--no-deps"]
    assert "acseg-test-one==1.2" in asked[0], "the version that other packages were installed with"
    assert not any(name.startswith("torch") for name in asked[0])
    assert len(restarted) == 4, "the worker process ends before each installation, and one started meanwhile after it"
    shop.answer = False
    section.repairButton.click()
    assert section.message.text == "Nothing was installed."
    assert len(asked) == 1
    opened, log = [], types.SimpleNamespace(filePath=str(tmp_path / "Slicer.log"))
    monkeypatch.setattr(qt, "QDesktopServices", types.SimpleNamespace(openUrl=opened.append))
    monkeypatch.setattr(type(slicer.app), "errorLogModel", lambda app: log, raising=False)
    section.logButton.click()
    assert opened[0].toLocalFile() == log.filePath
    section.cleanup()
