"""What answers questions: a checkpoint in this process, an OpenAI-compatible service, or vLLM. Import the modules."""
