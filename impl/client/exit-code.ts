import type { WalrusError } from '../core/errors.ts';

/** Exit codes of the commands that talk to a node, after sysexits where there is one. */
export const CLIENT_EXIT = {
  done: 0,
  /** The cluster said no, and says so again if it is asked again. Of `status`: something is wrong. */
  refused: 1,
  /** The command line is wrong: nothing was sent. */
  usage: 64,
  /** Nothing was done: no node could be reached, or none could do it. Try again later. */
  unavailable: 69,
  /** Something that was never to happen. */
  bug: 70,
  /** What was to be said could not be written. */
  output: 74,
  /** It may have been done: there was no answer in time. */
  unknown: 75,
} as const;

const MEANINGS: Readonly<Record<keyof typeof CLIENT_EXIT, string>> = {
  done: 'done',
  refused: 'refused',
  usage: 'wrong command line',
  unavailable: 'no node could do it, nothing was done',
  bug: 'a bug',
  output: 'the output could not be written',
  unknown: 'no answer, it may have been done',
};

/** For `--help`. */
export function clientExitCodes(): string {
  const codes = Object.entries(CLIENT_EXIT) as [keyof typeof CLIENT_EXIT, number][];
  return `Exit codes: ${codes.map(([what, code]) => `${code} ${MEANINGS[what]}`).join('; ')}`;
}

/** The exit code of a command that failed with this. */
export function clientExitCode({ retriable, committed }: WalrusError): number {
  if (committed === 'unknown') return CLIENT_EXIT.unknown;
  return retriable ? CLIENT_EXIT.unavailable : CLIENT_EXIT.refused;
}
