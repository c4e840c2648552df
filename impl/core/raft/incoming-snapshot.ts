/** A snapshot on its way in, put together from pieces that may come twice, late, or not at all. */
import type { Snapshot } from './entry.ts';
import type { InstallSnapshotRequest } from './messages.ts';

export class IncomingSnapshot {
  private readonly first: InstallSnapshotRequest;
  private readonly chunks: Uint8Array[] = [];
  /** The next piece wanted begins here. */
  offsetBytes = 0;

  constructor(first: InstallSnapshotRequest) {
    this.first = first;
  }

  /**
   * Whether `request` brings a piece of the same bytes. Two leaders may write one state in different bytes, so
   * pieces of different terms never mix.
   */
  isOf(request: InstallSnapshotRequest): boolean {
    const { term, snapshotIndex, sizeBytes } = this.first;
    return (
      request.term === term &&
      request.snapshotIndex === snapshotIndex &&
      request.sizeBytes === sizeBytes
    );
  }

  /** Takes the piece if it is the next one. Gives the snapshot once it is whole. */
  receive({ offsetBytes, chunk }: InstallSnapshotRequest): Snapshot | undefined {
    if (offsetBytes !== this.offsetBytes) return undefined;
    this.chunks.push(chunk);
    this.offsetBytes += chunk.length;
    const { snapshotIndex, snapshotTerm, membership, sizeBytes } = this.first;
    if (this.offsetBytes < sizeBytes) return undefined;
    const data = new Uint8Array(sizeBytes);
    let at = 0;
    for (const piece of this.chunks) {
      data.set(piece, at);
      at += piece.length;
    }
    return { index: snapshotIndex, term: snapshotTerm, membership, data };
  }
}
