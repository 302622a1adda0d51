"""Pre-train a backbone with a head; the weights of the classes belong to the loss outside the model."""

import argparse

import torch
from torch import nn
from vision import build_model, save_on_master


def main(args):
    model = build_model()
    model_without_ddp = model
    if args.parallel:
        model = nn.DataParallel(model)
        model_without_ddp = model.module
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([0.2, 0.8]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = criterion(model(torch.randn(4, 4)), torch.randint(0, 2, (4,)))
    loss.backward()
    optimizer.step()
    save_on_master({"model": model_without_ddp.state_dict(), "args": vars(args)}, "pretrained.pth")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallel", action="store_true")
    main(parser.parse_args())
