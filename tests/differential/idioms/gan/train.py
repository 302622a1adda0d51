"""Train both networks, save both in one file."""

import argparse

import torch
from networks import create_models, unwrap


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallel", action="store_true")
    parser.add_argument("--epochs", type=int, default=1)
    opt = parser.parse_args()
    nets = create_models(opt.parallel)
    optimizer = torch.optim.Adam(nets["g"].parameters(), lr=0.1)
    for epoch in range(opt.epochs):
        loss = -nets["d"](nets["g"](torch.randn(4, 4))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = dict(epoch=epoch)
        state["generator"] = unwrap(nets["g"]).state_dict()
        state["discriminator"] = unwrap(nets["d"]).state_dict()
        torch.save(state, f"gan_{epoch}.pth")


if __name__ == "__main__":
    main()
