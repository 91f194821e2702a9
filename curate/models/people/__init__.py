"""Who votes how."""
