"""Text features of encoders that are too large for most computers, and the ways around them.

An encoder here is anything with ``encode(texts) -> [B, width]`` (:class:`.source.VectorSource`):
the model itself (:mod:`.llm2vec`), a table of what it said (:mod:`.table`), a map from a small
encoder (:mod:`.linear_map`), or another computer (:mod:`.remote`).
"""
