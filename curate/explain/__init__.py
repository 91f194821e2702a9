"""What a data set's labels prefer, in features that can be named."""
