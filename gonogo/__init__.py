"""gonogo: stop a machine-learning experiment at the first gate that its evidence does not pass."""
