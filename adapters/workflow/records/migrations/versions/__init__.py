"""The migrations of run records, a folder for each database; what they change is not said elsewhere."""
