"""Units of work and how they run, without any orchestrator."""
