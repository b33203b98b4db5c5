"""FHIR R4: searches of a client's FHIR server, and validation by fhir.resources (R4B classes)."""
