"""What changed in the tables, step by step (Alembic)."""
