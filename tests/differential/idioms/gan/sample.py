"""Make samples with a trained generator."""

import argparse

import torch
from networks import Generator


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    opt = parser.parse_args()
    generator = Generator()
    state = torch.load(opt.weights, map_location="cpu")
    generator.load_state_dict(state["generator"])
    print(generator.eval()(torch.randn(2, 4)).shape)


if __name__ == "__main__":
    main()
