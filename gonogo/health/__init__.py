"""Can the device be trained on? Asked in child processes, because a bad device aborts or hangs whoever touches it."""
