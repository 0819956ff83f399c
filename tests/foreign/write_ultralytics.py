"""Ultralytics' ``results.csv`` and ``args.yaml``; see the README."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_CONFIG_DIR"] = str(Path.home())
os.environ["YOLO_AUTOINSTALL"] = "false"

import expected
import numpy as np
import polars
import yaml
from PIL import Image

DATA = Path("data")
TRAINED = Path("runs/detect/train")
PADDED = Path("runs/detect/padded")


def draw() -> None:
    """Pictures of one bright square each, and where it is."""
    numbers = np.random.default_rng(0)
    for part, count in (("train", 16), ("val", 4)):
        for folder in ("images", "labels"):
            (DATA / folder / part).mkdir(parents=True)
        for index in range(count):
            left, top = numbers.integers(0, 40, 2)
            pixels = numbers.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            pixels[top : top + 24, left : left + 24] = 230
            Image.fromarray(pixels).save(DATA / "images" / part / f"{index}.png")
            box = f"0 {(left + 12) / 64:.4f} {(top + 12) / 64:.4f} 0.375 0.375\n"
            (DATA / "labels" / part / f"{index}.txt").write_text(box)
    text = f"path: {DATA.resolve()}\ntrain: images/train\nval: images/val\nnames: {{0: square}}\n"
    Path("data.yaml").write_text(text)


def train() -> None:
    from ultralytics import YOLO

    _have_torchvision()
    YOLO("yolo11n.yaml").train(
        data="data.yaml",
        epochs=30,
        imgsz=64,
        batch=8,
        optimizer="AdamW",
        lr0=0.002,
        warmup_epochs=1,
        workers=0,
        device="cpu",
        amp=False,
        plots=False,
        save=False,
        project=str(TRAINED.parent.resolve()),
        name=TRAINED.name,
    )


def _have_torchvision() -> None:
    """PyPI's build for CUDA does not load beside a CPU's torch; validation needs one function."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        from ultralytics.utils.nms import TorchNMS

        stand_in = ModuleType("torchvision")
        stand_in.ops = SimpleNamespace(nms=TorchNMS.nms)
        sys.modules["torchvision"] = stand_in


def write_padded() -> None:
    """The same numbers as older versions wrote them: columns of 23 characters, no time."""
    table = polars.read_csv(TRAINED / "results.csv").drop("time")
    PADDED.mkdir()
    shutil.copy(TRAINED / "args.yaml", PADDED)
    with (PADDED / "results.csv").open("w") as log:
        log.write(",".join(f"{name:>23}" for name in table.columns) + "\n")
        for row in table.rows():
            log.write(",".join(f"{value:23.5g}" for value in row) + "\n")


def read(directory: Path) -> dict:
    lines = (directory / "results.csv").read_text().replace(" ", "")
    table = polars.read_csv(lines.encode())
    epochs = table["epoch"].to_list()
    metrics = {
        name: list(zip(epochs, table[name].to_list(), strict=True))
        for name in table.columns
        if name != "epoch"
    }
    return expected.run(metrics, yaml.safe_load((directory / "args.yaml").read_text()))


if __name__ == "__main__":
    draw()
    train()
    shutil.rmtree("data")
    Path("data.yaml").unlink()
    shutil.rmtree(TRAINED / "weights")
    write_padded()
    expected.write({str(directory): read(directory) for directory in (TRAINED, PADDED)})
