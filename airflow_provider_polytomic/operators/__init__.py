"""What starts and cancels syncs, and keeps connections."""
