"""Engines: run steps over fragments, so that a killed run goes on and ends with the identical dataset."""
