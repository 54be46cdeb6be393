"""What the Values of both engines share, in plain Python: base classes, no_grad, and the table of operations."""
