"""Inference: what a trained model answers, freely or among given options. Import the modules; torch loads with them."""
