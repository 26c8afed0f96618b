import { endianness } from 'node:os';

/** Numbers of one architecture: its AUDIT_ARCH, and of each refused system call. */
interface Numbers {
  readonly architecture: number;
  readonly refused: readonly number[];
  readonly ioctl: number;
}

/**
 * What a user without capabilities may call and no script needs: kernel keys (they belong to no namespace, so the worker's would be
 * there to be read), the kernel's log, and doors through which holes were found again and again: add_key, request_key, keyctl,
 * syslog, bpf, perf_event_open, userfaultfd, name_to_handle_at, open_by_handle_at, kexec_load, kexec_file_load, init_module,
 * finit_module, delete_module, mount, umount2, pivot_root, setns, quotactl, lookup_dcookie. Numbers of Linux's
 * `syscall_64.tbl` and of `asm-generic/unistd.h`, in this order.
 */
const NUMBERS: Readonly<Record<string, Numbers>> = {
  x64: {
    architecture: 0xc000_003e,
    refused: [
      ...[248, 249, 250, 103, 321, 298, 323, 303, 304, 246, 320],
      ...[175, 313, 176, 165, 166, 155, 308, 179, 212],
    ],
    ioctl: 16,
  },
  arm64: {
    architecture: 0xc000_00b7,
    refused: [
      ...[217, 218, 219, 116, 280, 241, 282, 264, 265, 104, 294],
      ...[105, 273, 106, 40, 39, 41, 268, 60, 18],
    ],
    ioctl: 29,
  },
};

/** open_tree to fspick and io_uring, the same everywhere; programs go on without when they are "not there". */
const ABSENT: readonly number[] = [425, 426, 427, 428, 429, 430, 431, 432, 433];

/** Typing into somebody else's terminal. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const REFUSE = 0x0005_0000 | 1;
const NOT_THERE = 0x0005_0000 | 38;
/** Offsets in `struct seccomp_data`. */
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const SECOND_ARGUMENT_AT = 24;
/** Numbers of the x32 way of calling, which x64 also takes. */
const FIRST_X32 = 0x4000_0000;

/**
 * The filter of system calls for bubblewrap's `--seccomp`, as classic BPF. Calls in another architecture's way, such as those of
 * 32-bit programs, are all refused.
 * @returns undefined for an architecture whose numbers are not known here
 */
export function systemCallFilter(architecture: string = process.arch): Buffer | undefined {
  const numbers = NUMBERS[architecture];
  if (numbers === undefined || endianness() !== 'LE') return undefined;
  const refuseIf = (operation: number, value: number, answer: number): Buffer[] => [
    instruction(operation, value, 0, 1),
    instruction(RETURN, answer),
  ];
  return Buffer.concat([
    instruction(LOAD_WORD, ARCHITECTURE_AT),
    instruction(JUMP_EQUAL, numbers.architecture, 1, 0),
    instruction(RETURN, REFUSE),
    instruction(LOAD_WORD, NUMBER_AT),
    ...refuseIf(JUMP_AT_LEAST, FIRST_X32, NOT_THERE),
    ...numbers.refused.flatMap((number) => refuseIf(JUMP_EQUAL, number, REFUSE)),
    ...ABSENT.flatMap((number) => refuseIf(JUMP_EQUAL, number, NOT_THERE)),
    instruction(JUMP_EQUAL, numbers.ioctl, 1, 0),
    instruction(RETURN, ALLOW),
    instruction(LOAD_WORD, SECOND_ARGUMENT_AT),
    ...refuseIf(JUMP_EQUAL, TIOCSTI, REFUSE),
    ...refuseIf(JUMP_EQUAL, TIOCLINUX, REFUSE),
    instruction(RETURN, ALLOW),
  ]);
}

/** `struct sock_filter`. */
function instruction(code: number, value: number, whenTrue = 0, whenFalse = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(whenTrue, 2);
  bytes.writeUInt8(whenFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}
