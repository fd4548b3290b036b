"""Tasks as YAML: what is asked, in which words of which language, and how the answers are measured."""
