"""Code shared by operators, sensors and triggers: task state, trigger events, results, errors and template values."""
