"""What a checkout needs around the packages: installing, the engine, images, demo. Not shipped."""
