import { WalrusError } from '../core/errors.ts';

/** What a caller is told of anything that was thrown: as it is if it has a code, else as the bug that it is. */
export function toWalrusError(thrown: unknown): WalrusError {
  if (thrown instanceof WalrusError) return thrown;
  const what = thrown instanceof Error ? thrown.message : String(thrown);
  const error = new WalrusError('StorageFailed', `internal error: ${what}`);
  error.cause = thrown;
  return error;
}
