"""What held-out margins, votes and reviews say about the noise of labels."""
