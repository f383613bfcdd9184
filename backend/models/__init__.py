"""Networks and their configurations; import the module of the model that you need."""
