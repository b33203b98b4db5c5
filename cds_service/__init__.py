"""A CDS Hooks service that suggests the right first MRI for lumbosacral plexopathy after cancer."""

__version__ = "0.1.0"
