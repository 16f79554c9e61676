"""Measure the cost of waiting and compare the triggers of similar providers: ``make benchmark``."""
