"""The pictures of files: what they are, and how they are made when they are asked for."""
