"""The source ``render``: pictures of text, pages, charts, tables and formulas, whose truth is known exactly."""
