"""Teaching the reader of prompts which words ask for which action."""
