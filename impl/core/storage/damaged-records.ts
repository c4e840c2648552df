/** Durable records that do not verify any more. Others can be read, and these be written again. */
import { WalrusError } from '../errors.ts';

export class DamagedRecords extends WalrusError {
  readonly stream: string;
  /** The records `[from, to)` of the stream. */
  readonly from: number;
  readonly to: number;

  constructor(stream: string, from: number, to: number, place: string) {
    const range = `records ${from} to ${to - 1} of stream ${JSON.stringify(stream)}`;
    super('Corrupt', `${place}: ${range} do not verify`);
    this.stream = stream;
    this.from = from;
    this.to = to;
  }
}
