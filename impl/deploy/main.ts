/** What the Makefile's `cluster-*` call: `bootstrap [--dir D] [--nodes N] [--client-port P] [--raft-port P]`, `down [--dir D] [--wipe]`. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, down } from './local-cluster.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string', default: 'data/cluster' },
    nodes: { type: 'string', default: '3' },
    // As upstream's compose file has them.
    'client-port': { type: 'string', default: '9091' },
    'raft-port': { type: 'string', default: '6001' },
    wipe: { type: 'boolean', default: false },
  },
});
const directory = resolve(values.dir);
try {
  if (positionals[0] === 'down') {
    const count = await down(directory, values.wipe);
    const kept = values.wipe
      ? 'its data is gone'
      : `its data stays in ${directory}; WIPE=1 removes it`;
    console.log(`${count === 1 ? '1 node has' : `${count} nodes have`} left, ${kept}`);
  } else {
    const addresses = await bootstrap({
      directory,
      nodes: readNodes(values.nodes),
      clientPort: Number(values['client-port']),
      raftPort: Number(values['raft-port']),
    });
    console.log(`${addresses.length} nodes are up, data and logs in ${directory}`);
    for (const [index, address] of addresses.entries()) {
      console.log(`  walrus-${index + 1}  clients ${address}`);
    }
    console.log('make cluster-logs shows what they say, make cluster-down ends them');
  }
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}

function readNodes(text: string): number {
  if (/^[1-7]$/.test(text)) return Number(text);
  throw new Error(`NODES=${text}: expected 1 to 7`);
}
