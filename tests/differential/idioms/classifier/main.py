"""Image classification in one script: wrap when there are several GPUs, keep the best, resume or evaluate."""

import argparse
import shutil

import torch
import torch.nn as nn


class SmallNet(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.conv1 = nn.Linear(4, 8)
        self.bn1 = nn.BatchNorm1d(8)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(torch.relu(self.bn1(self.conv1(x))))


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", default=1, type=int)
    parser.add_argument("--resume", default="", type=str)
    parser.add_argument("--parallel", action="store_true")
    return parser.parse_args()


def save_checkpoint(state, is_best, filename="checkpoint.pth.tar"):
    torch.save(state, filename)
    if is_best:
        shutil.copyfile(filename, "model_best.pth.tar")


def train(model, criterion, optimizer):
    model.train()
    images, target = torch.randn(4, 4), torch.randint(0, 2, (4,))
    loss = criterion(model(images), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    args = get_args()
    model = SmallNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    start_epoch = 0
    if args.resume:
        checkpoint = torch.load(args.resume, map_location="cpu")
        start_epoch = checkpoint["epoch"]
        model.load_state_dict(checkpoint["state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer"])
    if args.parallel:
        model = nn.DataParallel(model)
    best = float("inf")
    for epoch in range(start_epoch, start_epoch + args.epochs):
        loss = train(model, criterion, optimizer)
        is_best = loss < best
        best = min(loss, best)
        bare = model.module if isinstance(model, nn.DataParallel) else model
        save_checkpoint(
            {
                "epoch": epoch + 1,
                "state_dict": bare.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
            is_best,
        )


if __name__ == "__main__":
    main()
