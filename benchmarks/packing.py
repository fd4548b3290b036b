"""Packing under two budgets (tokens and image tiles), beside the packers of other projects.

    python benchmarks/packing.py [--samples 100000] [--out packing.json] [--peer-python PATH]

Peers run in an interpreter of their own, so that their requirements cannot touch ours:

    python -m venv peers
    peers/bin/pip install --no-deps trl==1.16.0 binpacking==2.0.1 llamafactory==0.9.5 axolotl==0.19.0
    peers/bin/pip install numpy pyarrow datasets numba future torch transformers

Everything runs on one core; the time is the best of ``--rounds``, and compiling is not in it: each packer has packed a
few samples before the clock starts. Peers know tokens only, so their packs can hold too many tiles; such a pack is
split, in its own order, until each part keeps the budget ("repaired"). Splitting is not in their time, nor are
reading token ids, ``datasets.map`` and tokenising: it is the planning alone, of us and of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

Packs = list[Any]
Packer = Callable[[np.ndarray, np.ndarray, int, int], Packs]

TILE_TOKENS = 256
TILES = (1, 2, 3, 4, 5, 7, 9, 13)


@dataclass(frozen=True)
class Mix:
    """``text_only``: share of samples without an image. ``tiles``: probability of each count in ``TILES`` for the rest.

    Text tokens are log-normal with mean ``text`` and shape ``spread``, cut to 8..12,000.
    """

    name: str
    seed: int
    text_only: float
    tiles: tuple[float, ...]
    text: float
    spread: float

    def draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (image tokens included) and tiles of ``count`` samples, int64."""
        rng = np.random.default_rng([self.seed, 0])
        shares = np.array(self.tiles) / sum(self.tiles)
        tiles = np.where(rng.random(count) < self.text_only, 0, rng.choice(TILES, count, p=shares))
        text = rng.lognormal(np.log(self.text) - self.spread**2 / 2, self.spread, count)
        return np.clip(text, 8, 12000).astype(np.int64) + TILE_TOKENS * tiles, tiles.astype(np.int64)


MIXES = (
    Mix("D1 balanced", 1, 0.15, (0.495, 0.23, 0.11, 0.05, 0.045, 0.03, 0.017, 0.023), 200, 1.0),
    Mix("D2 tile-heavy", 2, 0.08, (0.14, 0.10, 0.145, 0.10, 0.15, 0.17, 0.08, 0.115), 250, 1.0),
    Mix("D3 text-heavy", 3, 0.40, (0.50, 0.20, 0.10, 0.05, 0.05, 0.03, 0.03, 0.04), 600, 0.8),
)


@dataclass(frozen=True)
class Row:
    """One packer on one mix. ``above_bound``: repaired packs over the lower bound, minus 1."""

    mix: str
    packer: str
    version: str
    packs: int
    over_tiles: int
    repaired: int
    above_bound: float
    token_fill: float
    tile_fill: float
    samples_per_second: float


def ours(tokens: np.ndarray, tiles: np.ndarray, max_tokens: int, max_tiles: int) -> Packs:
    """polysee's packer with its default look-ahead."""
    from polysee.packing import plan_packs

    return plan_packs(tokens, tiles, max_tokens=max_tokens, max_tiles=max_tiles)


def next_fit(tokens: np.ndarray, tiles: np.ndarray, max_tokens: int, max_tiles: int) -> Packs:
    """The plain baseline: close the pack at the first sample that does not fit. Interpreted Python."""
    packs: Packs = []
    pack: list[int] = []
    free_tokens, free_tiles = max_tokens, max_tiles
    for row, (own_tokens, own_tiles) in enumerate(zip(tokens.tolist(), tiles.tolist(), strict=True)):
        if own_tokens > free_tokens or own_tiles > free_tiles:
            packs.append(pack)
            pack, free_tokens, free_tiles = [], max_tokens, max_tiles
        pack.append(row)
        free_tokens, free_tiles = free_tokens - own_tokens, free_tiles - own_tiles
    return [*packs, pack]


def trl_tables(tokens: np.ndarray, batch: int = 1000) -> list[Any]:
    """What TRL packs: Arrow tables of token ids, in the batches of ``datasets.map``. A sample's ids are its row."""
    import pyarrow as pa

    tables = []
    for start in range(0, len(tokens), batch):
        part = tokens[start : start + batch]
        flat = pa.array(np.repeat(np.arange(start, start + len(part), dtype=np.int32), part))
        offsets = pa.array(np.concatenate([[0], np.cumsum(part)]).astype(np.int32))
        tables.append(pa.table({"input_ids": pa.ListArray.from_arrays(offsets, flat)}))
    return tables


def trl_rows(packed: list[Any]) -> Packs:
    """Read back which samples each of TRL's packs holds."""
    packs: Packs = []
    for table in packed:
        ids, lengths = table["input_ids"].combine_chunks(), table["seq_lengths"].combine_chunks()
        values, within = ids.flatten().to_numpy(), lengths.flatten().to_numpy()
        rows = values[np.concatenate([[0], np.cumsum(within)[:-1]])]
        packs.extend(np.split(rows, lengths.offsets.to_numpy()[1:-1] - lengths.offsets.to_numpy()[0]))
    return packs


def ms_swift(tokens: np.ndarray, batch: int = 1000) -> Packs:
    """``binpacking`` as ms-swift calls it: batches of 1,000, the last bin carried over into the next batch."""
    import binpacking

    pairs = list(enumerate(tokens.tolist()))
    packs: Packs = []
    carried: list[tuple[int, int]] = []
    for start in range(0, len(pairs), batch):
        bins = binpacking.to_constant_volume(carried + pairs[start : start + batch], MAX_TOKENS, weight_pos=1)
        *full, carried = bins
        packs.extend([row for row, _ in one] for one in full)
    return [*packs, [row for row, _ in carried]]


def llamafactory_knapsack() -> Callable[[list[int], int], list[list[int]]]:
    """LLaMA-Factory's ``greedy_knapsack``, from its own file: its package imports the whole trainer."""
    found = importlib.util.find_spec("llamafactory")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("llamafactory")
    path = Path(found.submodule_search_locations[0], "data", "processor", "processor_utils.py")
    spec = importlib.util.spec_from_file_location("processor_utils", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["processor_utils"] = module
    spec.loader.exec_module(module)
    knapsack: Callable[[list[int], int], list[list[int]]] = module.greedy_knapsack
    return knapsack


def lengths_to_rows(tokens: np.ndarray, packs: list[list[int]], first: int) -> Packs:
    """LLaMA-Factory's knapsacks hold lengths; its processor turns them back into rows with a list per length."""
    rows: dict[int, list[int]] = {}
    for row, length in enumerate(tokens.tolist()):
        rows.setdefault(length, []).append(first + row)
    return [[rows[length].pop() for length in pack] for pack in packs]


MAX_TOKENS, MAX_TILES = 16384, 48
PEERS = {
    "TRL bfd (batches of 1,000)": "trl",
    "binpacking as in ms-swift (batches of 1,000)": "binpacking",
    "LLaMA-Factory greedy_knapsack (batches of 1,000)": "llamafactory",
    "axolotl pack_group (one group)": "axolotl",
}


def peer_call(distribution: str, tokens: np.ndarray) -> tuple[Callable[[], Any], Callable[[Any], Packs]]:
    """(what is timed, how to read its result) of one peer."""
    if distribution == "trl":
        from trl.data_utils import _pack_bfd

        tables = trl_tables(tokens)
        return lambda: [_pack_bfd(table, MAX_TOKENS) for table in tables], trl_rows
    if distribution == "binpacking":
        return lambda: ms_swift(tokens), list
    if distribution == "axolotl":
        from axolotl.utils.samplers.multipack import pack_group

        return lambda: pack_group(tokens, 0, MAX_TOKENS, len(tokens), 200, False), lambda packs: [*map(list, packs)]
    knapsack = llamafactory_knapsack()
    starts = range(0, len(tokens), 1000)

    def run() -> Packs:
        # The knapsack sorts and empties the list it is given, so each round needs lists of its own.
        packs: Packs = []
        for start in starts:
            part = tokens[start : start + 1000]
            packs.extend(lengths_to_rows(part, knapsack(part.tolist(), MAX_TOKENS), start))
        return packs

    return run, list


def best_time(call: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """The last result and the least wall time in seconds."""
    least = float("inf")
    result: Any = None
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        least = min(least, time.perf_counter() - start)
    return result, least


def serve_peer(distribution: str, data: Path, rounds: int) -> None:
    """Runs inside the peers' interpreter: packs the tokens in ``data`` and leaves the packs beside them."""
    tokens = np.load(data)
    warm, _ = peer_call(distribution, tokens[:200])
    warm()
    call, read = peer_call(distribution, tokens)
    result, seconds = best_time(call, rounds)
    packs = read(result)
    np.savez(
        data.with_suffix(".npz"),
        rows=np.concatenate([np.asarray(pack, np.int64) for pack in packs]),
        sizes=np.array([len(pack) for pack in packs]),
        seconds=seconds,
        version=version(distribution),
    )


def ask_peer(python: str, distribution: str, tokens: np.ndarray, rounds: int) -> tuple[Packs, float, str] | str:
    """The packs, seconds and version of a peer; or, where it cannot run, the last line of why."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "tokens.npy")
        np.save(data, tokens)
        command = [python, __file__, "--serve", distribution, "--data", str(data), "--rounds", str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        with np.load(data.with_suffix(".npz")) as found:
            packs = np.split(found["rows"], np.cumsum(found["sizes"])[:-1])
            return packs, float(found["seconds"]), str(found["version"])


def repair(packs: Packs, tiles: np.ndarray) -> Packs:
    """Split packs with too many tiles, each in its own order."""
    repaired: Packs = []
    for pack in packs:
        part: list[int] = []
        free = MAX_TILES
        for row in pack:
            if tiles[row] > free:
                repaired.append(part)
                part, free = [], MAX_TILES
            part.append(int(row))
            free -= int(tiles[row])
        repaired.append(part)
    return repaired


def measure(
    mix: str, packer: str, release: str, packs: Packs, seconds: float, sizes: tuple[np.ndarray, np.ndarray]
) -> Row:
    """Check that nothing is lost or over budget, then count."""
    tokens, tiles = sizes
    repaired = repair(packs, tiles)
    rows = np.concatenate([np.asarray(pack, np.int64) for pack in repaired])
    if not np.array_equal(np.sort(rows), np.arange(len(tokens))):
        raise SystemExit(f"{packer} on {mix}: not a partition of the samples")
    for pack in repaired:
        if tokens[pack].sum() > MAX_TOKENS or tiles[pack].sum() > MAX_TILES:
            raise SystemExit(f"{packer} on {mix}: a pack is over a budget")
    return Row(
        mix=mix,
        packer=packer,
        version=release,
        packs=len(packs),
        over_tiles=sum(int(tiles[np.asarray(pack)].sum()) > MAX_TILES for pack in packs),
        repaired=len(repaired),
        above_bound=len(repaired) / max(tokens.sum() / MAX_TOKENS, tiles.sum() / MAX_TILES) - 1,
        token_fill=float(tokens.sum() / MAX_TOKENS / len(repaired)),
        tile_fill=float(tiles.sum() / MAX_TILES / len(repaired)),
        samples_per_second=len(tokens) / seconds,
    )


def run_mix(mix: Mix, samples: int, rounds: int, peer_python: str | None) -> tuple[list[Row], list[str]]:
    """All packers on one mix; and a line for each peer that could not run."""
    import polysee

    tokens, tiles = mix.draw(samples)
    rows, absent = [], []
    own: Sequence[tuple[str, str, Packer]] = (
        ("polysee plan_packs", polysee.__version__, ours),
        ("next fit, both budgets (Python)", "", next_fit),
    )
    for name, release, packer in own:
        packer(tokens[:200], tiles[:200], MAX_TOKENS, MAX_TILES)
        packs, seconds = best_time(lambda packer=packer: packer(tokens, tiles, MAX_TOKENS, MAX_TILES), rounds)
        rows.append(measure(mix.name, name, release, packs, seconds, (tokens, tiles)))
    for name, distribution in PEERS.items() if peer_python else ():
        answer = ask_peer(str(peer_python), distribution, tokens, rounds)
        if isinstance(answer, str):
            absent.append(f"{name} did not run on {mix.name}: {answer}")
            continue
        packs, seconds, release = answer
        rows.append(measure(mix.name, name, release, packs, seconds, (tokens, tiles)))
    return rows, absent


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [
        "| mix | packer | packs | over 48 tiles | repaired | above bound | tokens filled | tiles filled | samples/s |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.mix} | {row.packer} {row.version} | {row.packs:,} | {row.over_tiles / row.packs:.1%} "
            f"| {row.repaired:,} | {row.above_bound:+.2%} | {row.token_fill:.1%} | {row.tile_fill:.1%} "
            f"| {row.samples_per_second:,.0f} |"
        )
    return "\n".join(lines)


def describe(mix: Mix, samples: int) -> dict[str, Any]:
    """The mix's figures, so that a reader can compare it with their own data."""
    tokens, tiles = mix.draw(samples)
    return {
        "mix": mix.name,
        "samples": samples,
        "mean_tokens": round(float(tokens.mean()), 1),
        "median_tokens": float(np.median(tokens)),
        "most_tokens": int(tokens.max()),
        "mean_tiles": round(float(tiles.mean()), 3),
        "text_only": round(float((tiles == 0).mean()), 4),
        "bound_tokens": round(float(tokens.sum() / MAX_TOKENS), 1),
        "bound_tiles": round(float(tiles.sum() / MAX_TILES), 1),
    }


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    versions = {}
    for name in ("numpy", "numba"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    processor = models[0].split(":", 1)[1].strip() if models else platform.processor()
    return {"processor": processor, "python": platform.python_version(), **versions}


def use_one_core() -> None:
    """Pin this process, and so its children, to one core."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    else:
        print("this system cannot pin a process to one core: figures may use more", file=sys.stderr)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="the best of this many is reported")
    parser.add_argument("--peer-python", help="interpreter of the environment that holds the peers")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--serve", choices=sorted(PEERS.values()), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run all mixes and print the table."""
    options = arguments()
    use_one_core()
    if options.serve:
        serve_peer(options.serve, options.data, options.rounds)
        return
    mixes = [describe(mix, options.samples) for mix in MIXES]
    rows: list[Row] = []
    absent: list[str] = [] if options.peer_python else ["no --peer-python given: no peer was run"]
    for mix in MIXES:
        more, missing = run_mix(mix, options.samples, options.rounds, options.peer_python)
        rows, absent = rows + more, absent + missing
    print(
        f"{MAX_TOKENS:,} tokens and {MAX_TILES} tiles a pack; one core; best of {options.rounds}; compiling excluded\n"
    )
    for mix_figures in mixes:
        print("- " + ", ".join(f"{key} {value}" for key, value in mix_figures.items()))
    print("\n" + table(rows))
    for line in absent:
        print(f"\nabsent: {line}")
    if options.out:
        report = {"machine": machine(), "mixes": mixes, "rows": [asdict(row) for row in rows], "absent": absent}
        options.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
