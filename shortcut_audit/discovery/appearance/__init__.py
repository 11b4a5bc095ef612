"""Pictures of a class, pictures of the others -> what only the class shows, and how surely."""
