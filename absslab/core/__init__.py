"""The path of the data: recordings, mixtures, features, masks, training, separation, scores."""
