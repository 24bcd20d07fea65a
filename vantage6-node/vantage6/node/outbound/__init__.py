"""What runs may connect to besides their node."""
