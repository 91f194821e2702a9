"""The probability that a label is right, from everything that is known of it."""
