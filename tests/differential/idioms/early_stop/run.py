"""Train with early stopping, then test the best weights in the same run."""

import argparse

import torch
from callbacks import EarlyStopping, de_parallel
from torch import nn


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(4, 8)
        self.decoder = nn.Linear(8, 1)

    def forward(self, x):
        return self.decoder(torch.relu(self.encoder(x)))


class Experiment:
    def __init__(self, args):
        self.args = args
        self.model = self._build_model()

    def _build_model(self):
        model = Forecaster().float()
        if self.args.parallel:
            model = nn.DataParallel(model)
        return model

    def train(self):
        stopping = EarlyStopping(patience=2, path="best.pt")
        optimizer = torch.optim.Adam(self.model.parameters(), lr=0.1)
        criterion = nn.MSELoss()
        for _ in range(2):
            loss = criterion(self.model(torch.randn(4, 4)), torch.randn(4, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            stopping(loss.item(), self.model)
            if stopping.early_stop:
                break

    def test(self):
        de_parallel(self.model).load_state_dict(torch.load("best.pt", map_location="cpu"))
        self.model.eval()
        return self.model(torch.randn(2, 4))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--test_only", action="store_true")
    parser.add_argument("--parallel", action="store_true")
    args = parser.parse_args()
    experiment = Experiment(args)
    if not args.test_only:
        experiment.train()
    experiment.test()


if __name__ == "__main__":
    main()
