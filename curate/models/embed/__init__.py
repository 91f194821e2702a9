"""From texts to vectors and features."""
