"""Several processes train one model."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def test_two_processes_train_one_model(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        textwrap.dedent(f"""
        import json, os, sys
        sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
        from training_cases import pair, settings
        from ACSegLib.network.train.trainer import Trainer
        from ACSegLib.network.train.training import train
        if os.environ["RANK"] == "1":  # whose clock says otherwise
            Trainer._due = lambda self: False
        found = train([pair(n) for n in range(3)], settings(), validation=[pair(8), pair(9)])
        total = float(sum(v.double().sum() for v in found.model.state_dict.values()))
        print(json.dumps([os.environ["RANK"], found.main_process, found.model.card["processes"], total,
                          found.history[-1]["dice"]]), flush=True)
        """)
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
    }
    workers = [
        subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    results = []
    for worker in workers:
        out, err = worker.communicate(timeout=240)
        assert worker.returncode == 0, err[-2000:]
        results.append(json.loads(out.strip().splitlines()[-1]))
    assert [r[0] for r in results] == ["0", "1"]
    assert [r[1] for r in results] == [True, False]
    assert [r[2] for r in results] == [2, 2]
    assert results[0][3:] == results[1][3:]
