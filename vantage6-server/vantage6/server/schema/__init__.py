"""What comes in and what goes out, one file per resource."""
