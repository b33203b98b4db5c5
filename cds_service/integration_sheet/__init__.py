"""The integration sheet: what an EHR analyst enters for one client, made from the configuration in effect."""

from cds_service.integration_sheet.configuration import UnknownClient, read_configuration
from cds_service.integration_sheet.example_calls import call_of
from cds_service.integration_sheet.rendering import as_html, as_markdown
from cds_service.integration_sheet.sections import sections

__all__ = ["UnknownClient", "as_html", "as_markdown", "call_of", "read_configuration", "sections"]
