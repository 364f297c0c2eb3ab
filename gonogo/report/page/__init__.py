"""The page of an experiment: where its chain stands at a glance, from the files that its stages left."""
