"""Benches that use the user's own training as the judge: `curate bench --train`."""
