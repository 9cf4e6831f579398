"""Everything that is computed: data, model, training, separation, scores. It draws nothing."""
