"""A decision explained step by step: as data, for the playground and `plexus-cds decide --json`, and as text."""

from cds_service.explanation.steps import describe
from cds_service.explanation.text import render

__all__ = ["describe", "render"]
