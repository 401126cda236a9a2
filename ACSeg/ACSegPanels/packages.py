"""One list of the Python packages that ACSeg uses: what is installed, in which version, and what is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ACSegPanels import install
from ACSegPanels.task import sentence


@dataclass(frozen=True)
class Package:
    """A package and what it is for.

    Attributes
    ----------
    requirement : str
        Name and lowest version, as pip takes it.
    version : str
        The installed one; empty where none is.
    sufficient : bool
        Whether it is new enough.
    steps : tuple of str
        Keys of `install.REQUIREMENTS`.
    """

    requirement: str
    version: str
    sufficient: bool
    steps: tuple[str, ...]


def listPackages() -> list[Package]:
    """List what the steps need, PyTorch first, then in the order of the steps."""
    torch = f"torch{install.TORCH_REQUIREMENT}"
    steps: dict[str, list[str]] = {torch: sorted(install.NEED_TORCH)}
    for step, requirements in install.REQUIREMENTS.items():
        for requirement in requirements:
            steps.setdefault(requirement, []).append(step)
    return [Package(r, _version(r), install._isInstalled(r), tuple(names)) for r, names in steps.items()]


def _version(requirement: str) -> str:
    return install.installedVersion(requirement.partition(">=")[0])


def repair() -> None:
    """Install anew what is installed, where a package is broken; PyTorch is repaired by its own module.

    Each in the version that is there: other packages, and Slicer itself, are built on it.

    Raises
    ------
    DependencyError
        If the person declines, or the installation fails.
    """
    installed = {p.requirement.partition(">=")[0]: p.version for p in listPackages() if p.version}
    wanted = [f"{name}=={version}" for name, version in installed.items() if name != "torch"]
    question = _("These packages will be downloaded and installed again:\n\n{packages}\n\nGo on?")
    text = question.format(packages="\n".join(f"- {name}" for name in wanted))
    if not wanted or not slicer.util.confirmOkCancelDisplay(text, windowTitle=_("ACSeg: repair packages")):
        raise install.DependencyError(_("Nothing was installed."))
    try:
        with install.installing():
            slicer.util.pip_install(["--force-reinstall", "--no-deps", *wanted])
    except Exception as error:
        raise install.DependencyError(
            _("The packages could not be installed: {reason}. Slicer's log has the details.").format(
                reason=str(error).rstrip(".")
            )
        ) from error


class PackagesSection:
    """A section of the module: the list, a button to install what is missing, and one to repair."""

    def __init__(self) -> None:
        self.widget = ctk.ctkCollapsibleButton()
        self.widget.text = _("Python packages")
        self.widget.objectName = "ACSegPackagesSection"
        layout = qt.QVBoxLayout(self.widget)
        self.label = qt.QLabel()
        self.label.wordWrap = True
        layout.addWidget(self.label)
        self.message = qt.QLabel()
        self.message.wordWrap = True
        layout.addWidget(self.message)
        row = qt.QHBoxLayout()
        self.installButton = self._button(_("Install what filling and measuring need"), self.installBasics)
        self.installButton.toolTip = _("Training and prediction ask for theirs when they are first started.")
        self.repairButton = self._button(_("Repair"), self.repair)
        self.repairButton.toolTip = _("Download and install again what is installed, where a package is broken.")
        self.logButton = self._button(_("Show log"), self.showLog)
        self.logButton.toolTip = _("Open Slicer's log, which has what pip said.")
        for button in (self.installButton, self.repairButton, self.logButton):
            row.addWidget(button)
        layout.addLayout(row)
        self.widget.collapsed = True
        self.widget.connect("contentsCollapsed(bool)", self._onCollapsed)

    @staticmethod
    def _button(text: str, slot: Callable[[], None]) -> Any:
        button = qt.QPushButton(text)
        button.connect("clicked()", slot)
        return button

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self.update()

    def update(self) -> None:
        """Read the versions anew."""
        rows = []
        for package in listPackages():
            state = package.version or _("not installed")
            if package.version and not package.sufficient:
                state = _("{version}, too old").format(version=package.version)
            cells = (package.requirement.replace(">=", " \u2265 "), state, ", ".join(package.steps))
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}&nbsp;&nbsp;</td>" for cell in cells) + "</tr>")
        head = "".join(f"<th align='left'>{title}</th>" for title in (_("Package"), _("Installed"), _("For")))
        self.label.text = f"<table><tr>{head}</tr>{''.join(rows)}</table>"

    def installBasics(self) -> None:
        """Install what the steps without a network need."""
        self._do(lambda: [install.ensureDependencies(step) for step in ("fill", "measure", "download")])

    def repair(self) -> None:
        """Install anew what is installed."""
        self._do(repair)

    def showLog(self) -> None:
        """Open Slicer's log in the system's program for texts; it has the output of every installation."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(slicer.app.errorLogModel().filePath))

    def _do(self, work: Callable[[], object]) -> None:
        self.message.text = ""
        try:
            work()
            self.message.text = _("Done.")
        except install.DependencyError as error:
            logging.getLogger("ACSeg").info("the packages were not installed", exc_info=True)
            self.message.text = sentence(error)
        self.update()

    def cleanup(self) -> None:
        """Disconnect everything."""
        self.widget.disconnect("contentsCollapsed(bool)", self._onCollapsed)
        self.installButton.disconnect("clicked()", self.installBasics)
        self.repairButton.disconnect("clicked()", self.repair)
        self.logButton.disconnect("clicked()", self.showLog)
