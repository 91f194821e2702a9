"""Ridge regression of labels on blocks of features, and the held-out margins that it gives."""
