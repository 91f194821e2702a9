"""The contracts of scorers and filters, and what they share."""
