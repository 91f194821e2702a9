"""How noisy a data set is, and what its labels lean on."""
