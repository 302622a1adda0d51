"""Sample from a trained model."""

import os

import torch
from model import GPT

out_dir = "."
checkpoint = torch.load(os.path.join(out_dir, "ckpt.pt"), map_location="cpu")
model = GPT()
state_dict = checkpoint["model"]
model.load_state_dict(state_dict)
model.eval()
print(model(torch.zeros(1, 2, dtype=torch.long)).argmax(-1))
