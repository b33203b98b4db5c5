"""What the service says: clinical knowledge as data, one folder for each card."""
