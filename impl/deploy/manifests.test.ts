/** What is deployed says what a node understands, and the tools of each field take it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type ProcessConfig, readConfig } from '../runtime/config.ts';
import { addNodeCommand } from '../runtime/node-command.ts';

const here = import.meta.dirname;
const read = (name: string): string => readFileSync(join(here, name), 'utf8');

/** What `walrus node` makes of the words. Throws for a flag that it does not know, and for a value that is none. */
function configOf(words: readonly string[], environment = {}): ProcessConfig {
  const program = new Command('walrus').exitOverride();
  addNodeCommand(program);
  const node = program.commands[0]!.exitOverride();
  let flags: Record<string, unknown> = {};
  node.action((given: Record<string, unknown>) => {
    flags = given;
  });
  program.parse(words, { from: 'user' });
  return readConfig(flags, environment);
}

const wordsOf = (command: string): string[] => command.trim().split(/\s+/);

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly container_name: string;
        readonly command: string;
        readonly ports: readonly string[];
        readonly volumes: readonly string[];
      }
    >
  >;
}

test('compose: the nodes have the names and ports of upstream, and find each other', () => {
  const { services } = parse(read('compose.yaml'), { merge: true }) as Compose;
  expect(Object.keys(services)).toEqual(['node1', 'node2', 'node3', 'node4']);
  for (const [index, [name, service]] of Object.entries(services).entries()) {
    const id = index + 1;
    const config = configOf(wordsOf(service.command));
    expect(service.container_name).toBe(`walrus-${id}`);
    expect(config.node.id).toBe(id);
    expect(config.node.raftAddress).toBe(`${name}:600${id}`);
    expect(config.node.bootstrap).toBe(id === 1);
    expect(config.node.join).toEqual(id === 1 ? [] : ['node1:6001']);
    expect(config.client).toEqual({ host: '0.0.0.0', port: 9090 + id });
    expect(service.ports).toEqual([`909${id}:909${id}`]);
    expect(service.volumes).toEqual([`${name}:/var/lib/walrus`]);
    expect(config.directory).toBe(`/var/lib/walrus/node_${id}`);
    // Where the health check of the image asks.
    expect(config.http).toMatchObject({ port: 9191 });
  }
});

test('systemd: the unit starts a node, and leaves it the time that it takes to leave', () => {
  const unit = read('walrus.service');
  const [, flags] = /^WALRUS_NODE_FLAGS=(.*)/m.exec(read('walrus.env'))!;
  const [, command] = /^ExecStart=\/usr\/bin\/env walrus (.*)/m.exec(unit)!;
  const config = configOf(wordsOf(command!.replace('$WALRUS_NODE_FLAGS', flags!)));
  expect(config.directory).toBe('/var/lib/walrus/node_1');
  expect(unit).toMatch(/^StateDirectory=walrus$/m);
  expect(Number(/^TimeoutStopSec=(\d+)/m.exec(unit)![1])).toBeGreaterThan(10);
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

interface Container {
  readonly command: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
}

test('kubernetes: each pod is one node of the cluster, found by its own name', () => {
  const manifests = parseAllDocuments(read('kubernetes.yaml')).map(
    (document) => document.toJS() as Manifest,
  );
  expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
    'Service walrus',
    'Service walrus-clients',
    'PodDisruptionBudget walrus',
    'StatefulSet walrus',
  ]);
  const { template } = manifests[3]!.spec as unknown as {
    template: { spec: { containers: readonly [Container] } };
  };
  const [container] = template.spec.containers;
  const ports = Object.fromEntries(container.ports.map((port) => [port.name, port.containerPort]));
  for (const ordinal of [0, 1, 2]) {
    // As the shell of the container runs it; what it starts is `echo`, and the pod's name is this one.
    const [shell, flag, script] = container.command;
    const pod = `walrus-${ordinal}`;
    const shown = script!
      .replace('exec walrus', 'exec echo')
      .replace('$(hostname -f)', `${pod}.walrus.default.svc.cluster.local`);
    const said = execFileSync(shell!, [flag!, shown], {
      env: { ...process.env, HOSTNAME: pod },
      encoding: 'utf8',
    });
    const config = configOf(wordsOf(said));
    expect(config.node.id).toBe(ordinal + 1);
    expect(config.node.bootstrap).toBe(ordinal === 0);
    expect(config.node.join).toEqual(ordinal === 0 ? [] : ['walrus-0.walrus:6000']);
    expect(config.node.raftAddress).toBe(`${pod}.walrus.default.svc.cluster.local:6000`);
    expect(ports).toEqual({
      raft: config.raft.port,
      client: config.client.port,
      http: config.http?.port,
    });
  }
});

test('docker: nothing of the build stage is in the image but the package', () => {
  const [, last] = read('Dockerfile')
    .split(/^FROM .* AS build$/m)[1]!
    .split(/^FROM /m);
  expect(last!.match(/^COPY .*/gm)).toEqual(['COPY --from=build /opt/package /opt/walrus']);
  expect(last).not.toMatch(/apt-get|npm/);
  expect(last).toMatch(/^USER 1000:1000$/m);
});

const has = (program: string, ...words: readonly string[]): boolean =>
  spawnSync(program, words).status === 0;
const judge = (program: string, ...words: readonly string[]): string =>
  execFileSync(program, words, { cwd: here, encoding: 'utf8', stdio: 'pipe' });

test.runIf(has('systemd-analyze', '--version'))('systemd-analyze takes the unit', () => {
  judge('systemd-analyze', 'verify', './walrus.service');
});

test.runIf(has('hadolint', '--version'))('hadolint takes the Dockerfile', () => {
  judge('hadolint', '--failure-threshold', 'info', 'Dockerfile');
});

test.runIf(has('docker', 'compose', 'version'))('docker compose takes the compose file', () => {
  judge('docker', 'compose', '-f', 'compose.yaml', '--profile', 'hotjoin', 'config', '--quiet');
});

test.runIf(has('kubernetes-validate', '--version'))(
  'kubernetes-validate takes the manifests',
  () => {
    judge('kubernetes-validate', '--strict', 'kubernetes.yaml');
  },
);
