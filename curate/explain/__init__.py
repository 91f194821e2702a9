"""What a dataset's labels prefer, in features that can be named."""
