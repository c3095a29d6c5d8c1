"""Ways to reach a machine that pyinfra doesn't have."""
