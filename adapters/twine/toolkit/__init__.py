"""What Octue's SDK offers apps and their tests beside its resources: timers, logged subprocesses, JSON coders."""
