"""The web application, the only package that knows Flask: discovery, hook calls, feedback and pages."""
