"""Control the emulated Polytomic, from Python and below ``/_emulator``."""
