"""Train a compiled, perhaps distributed, model; save the plain one."""

import os

import torch
from model import GPT
from torch.nn.parallel import DistributedDataParallel as DDP

out_dir = "."
compile = True
ddp = int(os.environ.get("WORLD_SIZE", 1)) > 1
model = GPT()
if compile:
    model = torch.compile(model)
if ddp:
    model = DDP(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
raw_model = model.module if ddp else model
raw_model = getattr(raw_model, "_orig_mod", raw_model)
for iter_num in range(2):
    loss = model(torch.randint(0, 8, (2, 3))).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    checkpoint = {
        "model": raw_model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "iter_num": iter_num,
    }
    torch.save(checkpoint, os.path.join(out_dir, "ckpt.pt"))
