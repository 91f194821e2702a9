"""Where the steps of a plan run: on this machine, or on many."""
