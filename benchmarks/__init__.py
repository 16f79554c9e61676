"""Measure what waiting costs, beside the triggers of comparable providers: ``make benchmark``."""
