"""A run's folder, shards and exports."""
