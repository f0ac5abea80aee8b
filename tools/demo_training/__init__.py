"""Trains the bundled demo model: network, optimizer, batches, checkpoints, export."""
