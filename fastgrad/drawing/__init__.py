"""What fastgrad.viz is made of."""
