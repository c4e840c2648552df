/** Signals that say stop. However many wait for one, it has one listener of ours. */
import { WalrusError } from '../core/errors.ts';
import { looked } from './arguments.ts';

type Waiter = () => void;

const waitersOf = new WeakMap<AbortSignal, Set<Waiter>>();

/** Calls `waiter` when the signal says stop, unless it is taken back before. `InvalidArgument` if the signal does not listen. */
export function onAbort(signal: AbortSignal, waiter: Waiter): { takeBack(): void } {
  const waiters = waitersOf.get(signal) ?? listen(signal);
  waiters.add(waiter);
  return { takeBack: () => waiters.delete(waiter) };
}

function listen(signal: AbortSignal): Set<Waiter> {
  const waiters = new Set<Waiter>();
  const stop = (): void => {
    for (const waiter of waiters) waiter();
  };
  looked('signal', () => signal.addEventListener('abort', stop, { once: true }));
  waitersOf.set(signal, waiters);
  return waiters;
}

/** Throws `Aborted` if the signal says stop, `InvalidArgument` if it cannot be asked. */
export function assertNotAborted(signal: AbortSignal): void {
  looked('signal', () => {
    if (!signal.aborted) return;
    const error = new WalrusError('Aborted', 'the signal said stop');
    error.cause = signal.reason;
    throw error;
  });
}
