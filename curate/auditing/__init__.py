"""How noisy a dataset is, and which biases its labels show."""
