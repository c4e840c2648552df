/** Signals that say stop. However many wait for one, it has one listener of ours. */
import { WalrusError } from '../core/errors.ts';

type Waiter = () => void;

const waitersOf = new WeakMap<AbortSignal, Set<Waiter>>();

/** Calls `waiter` when the signal says stop, unless it is taken back before. */
export function onAbort(signal: AbortSignal, waiter: Waiter): { takeBack(): void } {
  const waiters = waitersOf.get(signal) ?? listen(signal);
  waiters.add(waiter);
  return { takeBack: () => waiters.delete(waiter) };
}

function listen(signal: AbortSignal): Set<Waiter> {
  const waiters = new Set<Waiter>();
  waitersOf.set(signal, waiters);
  const stop = (): void => {
    for (const waiter of waiters) waiter();
  };
  signal.addEventListener('abort', stop, { once: true });
  return waiters;
}

export function aborted(signal: AbortSignal): WalrusError {
  const error = new WalrusError('Aborted', 'the signal said stop');
  error.cause = signal.reason;
  return error;
}
