"""What a repository holds that was not written for gonogo: data, a training script, an environment."""
