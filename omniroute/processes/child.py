"""Entry point of every child: ``python -m omniroute.processes.child NAME FD``. The name is for readers of ``ps``."""

from __future__ import annotations

import signal
import sys

from omniroute.processes.boot import receive_boot


def main() -> None:
    """Become what the boot line says. Each role imports its own world: a worker never sees the admin stack."""
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to the whole group; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    boot, channel = receive_boot(int(sys.argv[2]))
    if boot.role == "worker":
        from omniroute.processes.worker import run_worker as run
    elif boot.role == "control":
        from omniroute.processes.control import run_control as run
    else:
        from omniroute.processes.demo import run_demo as run
    sys.exit(run(boot, channel))


if __name__ == "__main__":
    main()
