/** A thread that gathers traces, one after another: it plays seeds, and puts what they tell into the words of the specifications. */
import { parentPort } from 'node:worker_threads';
import { type Gathered, type Gathering, gather } from './trace-case.ts';

parentPort!.on('message', (gathering: Gathering) => {
  parentPort!.postMessage(gather(gathering) satisfies Gathered[]);
});
