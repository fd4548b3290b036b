"""What a vision encoder's features hold, without any language model (InternVL 2.5, arXiv:2412.05271, section 5.5)."""
