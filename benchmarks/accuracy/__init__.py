"""What benchmarks/gate_accuracy.py judges the quality gate by: good and bad pictures, sets of them, other tools."""
