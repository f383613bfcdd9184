"""Reading prompts: their parts in order of time, what each asks for, how often, how fast, where."""
