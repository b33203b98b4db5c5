"""A decision explained in steps: once as data, for the playground, and once as the text of `plexus-cds decide`."""

from cds_service.explanation.data import explanation
from cds_service.explanation.text import explain

__all__ = ["explain", "explanation"]
