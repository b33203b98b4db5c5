"""The only door to fhir.resources (R4B classes), and what is read from a client's FHIR server."""
