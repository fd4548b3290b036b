"""Public benchmarks through lmms-eval, in its own environment, as a subprocess."""
