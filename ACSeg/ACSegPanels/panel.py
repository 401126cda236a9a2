"""What all panels share: their .ui file, connections, enabling with a reason, and one running task."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from ACSegLib.scene.results import is_result_of_another
from ACSegLib.worker.events import capitalized
from ACSegPanels.install import ensureDependencies
from ACSegPanels.task import Task, sentence
from ACSegPanels.translation import translated
from ACSegPanels.words import Words, namedByControls, showWords


class Panel:
    """One step of the workflow.

    Parameters
    ----------
    module : ACSegWidget
        Gives `resourcePath`, `logic` and `parameters` (None while the scene is being closed).
    """

    #: Name of the step: of its .ui file "UI/ACSeg<name>.ui", and what is installed for it.
    name = ""
    title = ""
    dependencies = ""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.widget = slicer.util.loadUI(module.resourcePath(f"UI/ACSeg{self.name}.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.task: Task | None = None
        self._connections: list[tuple[Any, str, Callable]] = []
        self._tag: int | None = None
        self._bound: Any = None
        self._results: dict[str, Any] = {}
        self.say("")
        self.setup()

    # -- for the panels to override ---------------------------------------------------------------------------------

    def setup(self) -> None:
        """Connect the widgets."""

    def words(self) -> dict[str, Words]:
        """Name of a combo box -> words for its values."""
        return {}

    def controls(self) -> dict[str, str]:
        """Option of the step's command -> what stands beside, or on, the widget that sets it."""
        return {}

    def update(self) -> None:
        """Enable what can be done now; called on every change of the parameters and of the task."""

    def sceneClosed(self) -> None:
        """Forget what belonged to the scene."""

    # -- life cycle -------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Any:
        """The module's parameter node, or None."""
        return self.module.parameters

    def bind(self, parameters: Any) -> None:
        """Bind the widgets to a parameter node (None: to nothing)."""
        if self._tag is not None and self._bound is not None:
            self._bound.disconnectGui(self._tag)
        self._tag, self._bound = None, parameters
        if parameters is not None:
            self._tag = parameters.connectGui(self.ui)
            self._choose(parameters)
            for name, words in self.words().items():
                showWords(getattr(self.ui, name), words)

    def keepResults(self, **nodes: Any) -> None:
        """Choose results in the parameters of these names: now, or when the module is entered again."""
        self._results.update(nodes)
        if self.parameters is not None:
            self._choose(self.parameters)

    @staticmethod
    def outputFor(source: Any, node: Any) -> Any:
        """The chosen output; None, for a new one, where it holds the result of another input, which would be lost."""
        return None if node is not None and is_result_of_another(node, source) else node

    def _choose(self, parameters: Any) -> None:
        results, self._results = self._results, {}
        for name, node in results.items():
            if node.GetScene() is not None:  # not deleted meanwhile
                setattr(parameters, name, node)

    def connect(self, widget: Any, signal: str, slot: Callable) -> None:
        """Connect a signal until `cleanup`."""
        widget.connect(signal, slot)
        self._connections.append((widget, signal, slot))

    def closeScene(self) -> None:
        """The scene is about to be closed: stop what runs."""
        if self.task is not None and self.task.running:
            self.task.abandon()
            self.say(_("The scene was closed; the work was cancelled."))
        self.task = None
        self._results = {}
        self.showProgress(None)
        self.sceneClosed()

    def cleanup(self) -> None:
        """Stop what runs, and disconnect the widgets."""
        if self.task is not None:
            self.task.abandon()
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []

    # -- running a step ---------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether this panel's step is at work."""
        return self.task is not None and self.task.running

    def start(
        self, begin: Callable[[dict], Task], done: Callable[[Any], None], dependencies: str = "", **callbacks: Callable
    ) -> None:
        """Begin a task with callbacks that show its course; an error becomes a sentence in the panel.

        Parameters
        ----------
        begin : callable
            Called with the callbacks for a method of the logic; gives the task.
        done : callable
            Called with the result.
        dependencies : str, optional
            Step whose packages it needs; those of the panel by default.
        """
        if self.running:
            return

        def finished(result: Any) -> None:
            self.showProgress(None)
            done(result)
            self.module.updatePanels()

        self.say("")
        try:
            ensureDependencies(dependencies or self.dependencies)
            handlers = {"onProgress": self._onProgress, "onDone": finished, "onError": self._onError, **callbacks}
            self.task = begin(handlers)
            self.showProgress(0.0)
        except Exception as error:
            logging.getLogger("ACSeg").info("the step %s could not start", self.name, exc_info=True)
            self.say(sentence(error))
        self.module.updatePanels()

    def cancel(self) -> None:
        """Ask the running step to stop."""
        if self.running:
            self.task.cancel()
            self.say(_("Cancelling..."))

    def _onProgress(self, fraction: float, message: str) -> None:
        self.showProgress(fraction)
        if message:
            self.say(capitalized(translated(message)))

    def _onError(self, message: str) -> None:
        self.showProgress(None)
        self.say(message or _("Cancelled; nothing was changed."))
        self.module.updatePanels()

    def addShow3DButton(self) -> Any:
        """Add Slicer's button that shows a segmentation in 3D; `offer3D` tells it which."""
        button = slicer.qMRMLSegmentationShow3DButton()
        button.objectName = f"{self.name.lower()}Show3DButton"
        self.widget.layout().addRow("", button)
        return button

    @staticmethod
    def offer3D(button: Any, node: Any) -> None:
        """Let the button show a result (None: there is none yet)."""
        button.setSegmentationNode(node)
        button.toolTip = _("Show the result in the 3D views.") if node is not None else _("There is no result yet.")

    # -- widgets ----------------------------------------------------------------------------------------------------

    def _own(self, suffix: str) -> Any:
        return getattr(self.ui, self.name.lower() + suffix)

    def say(self, text: str) -> None:
        """Show a sentence in the panel; an empty one takes no room. Flags of the shell are named by their widgets."""
        text = namedByControls(text, self.controls(), f"ACSeg{self.name}")
        label = self._own("Message")
        label.text = text
        label.setVisible(bool(text))

    def showProgress(self, fraction: float | None) -> None:
        """Show how far the step is; None hides the bar."""
        bar = getattr(self.ui, f"{self.name.lower()}Progress", None)
        if bar is not None:
            bar.setVisible(fraction is not None)
            bar.value = round(1000 * (fraction or 0.0))

    @staticmethod
    def enable(button: Any, tip: str, why: str = "") -> None:
        """Enable a button and say what it does, or disable it and say why."""
        button.enabled = not why
        button.toolTip = why or tip
