"""Set up a child process, then become its program; run by path under `python -I -S`, so it imports nothing of ours.

    python -I -S exec_child.py PARENT_PID STACK_BYTES PROGRAM [ARGUMENT ...]

It asks the kernel to kill the process when its parent dies, and raises the stack limit: Triton 2.51 puts HTTP and gRPC
message parts on thread stacks, and a thread's stack is as large as the soft limit says. SIGHUP tells a gateway that
something changed; it must not end one that only starts.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Prepare this process and replace it by the program."""
    parent, stack, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the request reached the kernel
        sys.exit(1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    soft = stack if hard == resource.RLIM_INFINITY else min(stack, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
