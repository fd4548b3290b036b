"""Blind human preference: people pick the best of several models' answers and do not know whose they are."""
