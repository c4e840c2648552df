/**
 * An append that waits for room. A program that awaits nothing may have millions of them, so each is one small object beside its promise:
 * no closure, and no second promise.
 */
import type { WalrusError } from '../core/errors.ts';
import { FRAME_BYTES } from './arguments.ts';
import { type Change, failAll, type Resolve } from './commit-groups.ts';

/** Takes an append whose turn has come. */
export type TakeAppend = (append: WaitingAppend) => void;

export class WaitingAppend implements Change {
  readonly topic: string;
  readonly data: Uint8Array;
  /** Of the data, when it was given. */
  readonly length: number;
  readonly resolve: Resolve;
  readonly #take: TakeAppend;

  constructor(topic: string, data: Uint8Array, length: number, resolve: Resolve, take: TakeAppend) {
    this.topic = topic;
    this.data = data;
    this.length = length;
    this.resolve = resolve;
    this.#take = take;
  }

  get bytes(): number {
    return this.length + FRAME_BYTES;
  }

  run(): void {
    this.#take(this);
  }

  refuse(error: WalrusError): void {
    failAll([this.resolve], error);
  }
}
