"""Set up a child process, then become its program; run by path under `python -I -S`, so it imports nothing of ours.

    python -I -S exec_child.py PARENT_PID STACK_BYTES PROGRAM [ARGUMENT ...]

It asks the kernel to kill the process when its parent dies, and raises the stack limit: Triton 2.51 puts HTTP and gRPC
message parts on thread stacks, and a thread's stack is as large as the soft limit says. SIGHUP tells a gateway that
something changed; it must not end one that only starts.

What the process and its children make is for their own user alone. The umask sees to files and sockets, but not to
shared memory: Boost, by which Triton's python backend makes its regions, opens them to everybody with `fchmod`
afterwards. So the kernel is told to answer every `fchmod` that gives rights to others as if it had been done.
"""

import ctypes
import os
import platform
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38  # without it only root may set a filter
PRIVATE_UMASK = 0o077

SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1, 4
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000  # error 0: the call "succeeds"
LOAD_WORD, JUMP_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
AT_NUMBER, AT_ARCHITECTURE, AT_MODE = 0, 4, 24  # offsets in the kernel's struct seccomp_data

#: Per machine the kernel's name for it and the numbers of the system calls fchmod and seccomp.
CALLS = {"x86_64": (0xC000003E, 91, 317), "aarch64": (0xC00000B7, 52, 277)}


class Instruction(ctypes.Structure):
    """`struct sock_filter`."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction)))


def keep_files_private() -> None:
    """Let nothing that this process and its children make be opened to others, as far as the kernel helps with that."""
    os.umask(PRIVATE_UMASK)
    if platform.machine() not in CALLS:
        return
    architecture, fchmod, seccomp = CALLS[platform.machine()]
    program = (
        (LOAD_WORD, 0, 0, AT_ARCHITECTURE),
        (JUMP_EQUAL, 0, 4, architecture),
        (LOAD_WORD, 0, 0, AT_NUMBER),
        (JUMP_EQUAL, 0, 2, fchmod),
        (LOAD_WORD, 0, 0, AT_MODE),
        (JUMP_ANY_BIT, 1, 0, PRIVATE_UMASK),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO),
    )
    instructions = (Instruction * len(program))(*(Instruction(*words) for words in program))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(
        seccomp,
        SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        ctypes.byref(Filter(len(instructions), instructions)),
    )


def main() -> None:
    """Prepare this process and replace it by the program."""
    parent, stack, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the request reached the kernel
        sys.exit(1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keep_files_private()
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    soft = stack if hard == resource.RLIM_INFINITY else min(stack, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
