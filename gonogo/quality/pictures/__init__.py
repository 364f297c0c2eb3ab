"""Pictures, each by itself, and what any check of a picture is made of."""
