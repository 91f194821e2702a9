"""Proof on the user's own data: what steps gain on held-out pairs, and who finds flipped labels."""
