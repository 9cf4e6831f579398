"""The model: front end, mask networks, pooling."""
