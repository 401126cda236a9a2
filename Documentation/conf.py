"""Sphinx builds the web site of the documentation from the pages of this folder: ``make docs``."""

from ACSegLib.version import __version__

project = "ACSeg"
author = copyright = "The ACSeg developers"
release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "index"
exclude_patterns = ["README.md", "_build"]
html_theme = "furo"
html_title = f"ACSeg {release}"

# Markdown as GitHub shows it: anchors of headings, links between pages.
myst_heading_anchors = 4
suppress_warnings = [
    "myst.xref_missing",  # links to files outside the site, such as CONTRIBUTING.md
    "ref.python",  # words such as "labels" in the types of parameters name several things
]

# The notebook is stored without outputs, and executed here.
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = False
