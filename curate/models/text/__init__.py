"""What texts show without a model."""
