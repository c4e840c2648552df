import { closeSync, openSync, writeSync } from 'node:fs';
import type { TraceSink } from '../ports/trace-sink.ts';

/**
 * Writes each event as one line of JSON. Lines of one turn of the event loop are written together, synchronously, so
 * that a process that dies loses at most the turn it died in. A file that cannot be written ends the trace, not
 * the node.
 */
export class NdjsonTraceSink<Event> implements TraceSink<Event> {
  private readonly onFailed: (error: Error) => void;
  private fd: number | undefined;
  private lines: string[] = [];

  /** Begins the file anew. Throws what the system says if it cannot be opened. */
  constructor(file: string, onFailed: (error: Error) => void) {
    this.onFailed = onFailed;
    this.fd = openSync(file, 'w');
  }

  emit(event: Event): void {
    if (this.fd === undefined) return;
    if (this.lines.length === 0) setImmediate(() => this.flush());
    this.lines.push(JSON.stringify(event));
  }

  flush(): void {
    if (this.fd === undefined || this.lines.length === 0) return;
    const bytes = Buffer.from(`${this.lines.join('\n')}\n`);
    this.lines = [];
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at);
    } catch (error) {
      this.fd = undefined;
      this.onFailed(error as Error);
    }
  }

  close(): void {
    this.flush();
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}
