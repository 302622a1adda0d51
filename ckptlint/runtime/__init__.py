"""The only room that may import torch."""
