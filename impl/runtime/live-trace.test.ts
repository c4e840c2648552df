/** What real processes do, one of them killed under load, is a behaviour of the specification: TLC says so. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fetchAll, TestCluster } from './test-cluster.test-support.ts';
import { startWriters } from './writers.test-support.ts';

const TRACE_CHECK = new URL('../../dist/spec/trace-check.js', import.meta.url).pathname;

const hasJava = spawnSync('java', ['-version'], { stdio: 'ignore' }).status === 0;
if (!hasJava) console.log('Skipped: TLC, which judges the trace, needs Java 11 or newer.');

test.skipIf(!hasJava)(
  'kill -9 of the owner under load: the traces of the three nodes are accepted',
  { timeout: 300_000 },
  async () => {
    const cluster = await TestCluster.start({
      trace: true,
      env: { WALRUS_MAX_SEGMENT_ENTRIES: '150', WALRUS_MONITOR_CHECK_MS: '200' },
    });
    try {
      const client = cluster.client();
      await client.register('t');
      const owner = (await client.state('t')).leader_node;
      const writers = startWriters(cluster, 't', 16, { pauseMs: 40 });
      await writers.progressed(100);
      await cluster.kill(owner);
      await writers.progressed(100);
      cluster.launch(owner);
      await cluster.ready();
      await writers.progressed(100);
      for (let i = 0; i < 10; i++) await cluster.client((i % 3) + 1).get('t');
      // To the specification these are two records, though no byte tells them apart.
      await client.register('echo');
      for (let i = 0; i < 2; i++) await client.put('echo', Buffer.from('the same'));
      const written = await writers.stop();
      written.check(await fetchAll(client, 't'));
      for (const { id } of cluster.nodes) await cluster.kill(id);

      const files = cluster.nodes.map(({ id }) => cluster.traceFile(id));
      const events = files.map((file) => readFileSync(file, 'utf8').split('\n').length);
      // Both lives of the node are in its file.
      expect(readFileSync(files[owner - 1]!, 'utf8').match(/"name":"Restart"/g)).toHaveLength(2);
      const flags = ['--cluster', '--controls', '3'];
      const check = spawn(process.execPath, [TRACE_CHECK, ...flags, ...files]);
      let said = '';
      check.stdout.on('data', (text) => (said += text));
      check.stderr.on('data', (text) => (said += text));
      const [code] = await once(check, 'close');
      console.log(`${written.acknowledged} acknowledged, ${events.join(' + ')} events\n${said}`);
      expect(code, said).toBe(0);
      expect(said).toMatch(/DistributedLog \| 1 /);
      expect(said).toMatch(/MetadataRaft +\| 1 /);
    } finally {
      await cluster.destroy();
    }
  },
);
