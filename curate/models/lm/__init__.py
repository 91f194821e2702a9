"""Language and reward models: loading, tokens, batched inference, and what is kept of it."""
