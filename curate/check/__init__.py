"""What would go wrong in a trainer, told before it trains."""
