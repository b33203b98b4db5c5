"""What the service costs, measured side by side with a bare Flask application; README.md tells how."""
