"""What our operations have to know about a machine."""
