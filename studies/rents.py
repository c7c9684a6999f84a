"""Writes rents.csv into this file's folder: 1,200 made-up flats with their rents, for table.yaml.

python studies/rents.py
"""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

DISTRICTS = {
    "harbour": 1.35,
    "old town": 1.25,
    "hill": 1.1,
    "park": 1.15,
    "north": 0.9,
    "mill": 0.8,
}
HEATING = {"district": 0, "gas": 10, "heat pump": 40, "coal": -45}


def main() -> int:
    """Writes the table; returns the exit code."""
    numbers = random.Random(0)
    target = Path(__file__).with_name("rents.csv")
    with target.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["area", "rooms", "floor", "built", "district", "heating", "lift", "rent"])
        writer.writerows(flat(numbers) for _ in range(1200))
    sys.stdout.write(f"{target.name}: 1200 flats\n")
    return 0


def flat(numbers: random.Random) -> list[object]:
    """Returns one flat: square metres, rooms, ..., and the rent of a month in euros."""
    area = round(min(160, max(18, numbers.gauss(66, 25))))
    rooms = max(1, min(6, round(area / numbers.gauss(26, 4))))
    floor = numbers.randint(0, 7)
    built = numbers.randint(1880, 2022)
    district, heating = numbers.choice(list(DISTRICTS)), numbers.choice(list(HEATING))
    lift = numbers.random() < (0.8 if built > 1975 else 0.25)
    rent = 140 + 8.2 * area * DISTRICTS[district] + 25 * rooms + HEATING[heating]
    rent += 0.9 * max(0, built - 1990) * area / 60
    rent += (9 if lift else -14) * floor
    rent *= numbers.gauss(1, 0.06)
    year = "" if numbers.random() < 0.04 else built  # some owners do not know it
    return [area, rooms, floor, year, district, heating, "yes" if lift else "no", round(rent)]


if __name__ == "__main__":
    sys.exit(main())
