"""Benchmarks of the service beside a bare Flask application; README.md describes them."""
