"""Becomes another program that ends with its parent: `python -I -S launch.py PARENT_PID PROGRAM [ARGUMENT ...]`.

Runs between fork and exec, as a program instead of a `preexec_fn`: Python code in a forked copy of a process that has
threads (gRPC starts some) may deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Asks the kernel for a SIGTERM at the parent's death, then turns into the program."""
    parent, command = int(arguments[0]), arguments[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel knew, so no signal will come
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
