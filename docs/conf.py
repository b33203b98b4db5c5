"""Sphinx's configuration of the documentation site; `make docs` builds it."""

from cds_service import __version__

project = "plexus-cds"
version = release = __version__
copyright = "The plexus-cds developers, Apache-2.0"  # noqa: A001 - Sphinx's name

extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 4

# The pages stay where GitHub shows them, so the source folder is the repository and its links work in both places.
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/decisions/*.md",
    "README.md",
    "GLOSSARY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/*.md",
    "benchmarks/results/*.md",
    "cards/*/REVIEW.md",
]

html_theme = "furo"
html_title = f"plexus-cds {version}"
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "../cds_service/web/static/icon.svg"

suppress_warnings = ["toc.not_included"]
"""Decision records are found by their own list; a test sees that no other page is left out."""
