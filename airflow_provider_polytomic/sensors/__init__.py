"""What waits for executions that somebody else has started."""
