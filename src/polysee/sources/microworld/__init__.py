"""The microworld: procedural scenes of colour emoji, worded with the names that people gave them in the CLDR."""
