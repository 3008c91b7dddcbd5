"""Starts the simulator without Django: `python -m messaging.simulator --config FILE`."""

from __future__ import annotations

from messaging.simulator.command import main

if __name__ == "__main__":
    raise SystemExit(main())
