"""What is known of images besides what the engine knows: manifests, and signatures of them."""
