"""Training steps on the CPU with the short spin that `polysee` asks of OpenMP, beside libgomp's own.

    python benchmarks/threads.py [--seconds 6] [--rounds 3]

Each contender is a process of its own, since libgomp reads its settings once. They take turns, first on a machine left
alone, then beside programs that keep every core busy. A ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

STEPS = """
import sys, time, torch
torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(192, 4, 512, batch_first=True)
model = torch.nn.TransformerEncoder(layer, 4)
pictures = torch.randn(8, 320, 192)
optimizer = torch.optim.AdamW(model.parameters())
def step():
    model(pictures).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
step()
began, done = time.monotonic(), 0
while time.monotonic() - began < float(sys.argv[1]):
    step()
    done += 1
print(done / (time.monotonic() - began))
"""
BUSY = "while True: pass"
SPINS = {"libgomp's own": None, "polysee": "1000"}


def steps_a_second(spin: str | None, seconds: float) -> float:
    """Optimizer steps a second of a small encoder in a fresh process; ``spin``: GOMP_SPINCOUNT."""
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    if spin is not None:
        environment["GOMP_SPINCOUNT"] = spin
    line = [sys.executable, "-c", STEPS, str(seconds)]
    return float(subprocess.run(line, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout)


def measure(label: str, seconds: float, rounds: int) -> None:
    """Print the rates of all contenders and polysee's ratio."""
    rates = [{name: steps_a_second(spin, seconds) for name, spin in SPINS.items()} for _ in range(rounds)]
    for name in SPINS:
        print(f"{label:<28}{name:<16}{statistics.median(rate[name] for rate in rates):>8.2f} steps/s")
    own, ours = SPINS
    print(f"{label:<28}{'ratio':<16}{statistics.median(rate[ours] / rate[own] for rate in rates):>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    measure("left alone", chosen.seconds, chosen.rounds)
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        measure("beside busy programs", chosen.seconds, chosen.rounds)
    finally:
        for program in busy:
            program.kill()
            program.wait()


if __name__ == "__main__":
    main()
