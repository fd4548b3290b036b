"""Evaluation: metrics, baselines and intervals for each task in each language."""
