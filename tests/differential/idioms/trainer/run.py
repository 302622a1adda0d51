"""The trainer of this project, for training and for going on."""

import argparse

import torch
from base import BaseTrainer
from torch import nn


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        return self.layers(x)


class Trainer(BaseTrainer):
    def __init__(self, save_dir):
        super().__init__(save_dir)
        self.model = Regressor()
        if torch.cuda.device_count() > 1:
            self.model = nn.DataParallel(self.model)
        self.criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))

    def fit(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        loss = self.criterion(self.model(torch.randn(4, 4)), torch.randint(0, 2, (4,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.epoch += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    trainer = Trainer(".")
    if args.resume:
        trainer.load()
    trainer.fit()
    trainer.save()


if __name__ == "__main__":
    main()
