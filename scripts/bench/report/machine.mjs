// Describes the machine, without its name.

import { cpus, release, totalmem } from 'node:os';

const NAMESPACES = 'two network namespaces joined by a veth pair, MTU 1500';

export function describeMachine(hasNamespaces) {
  const [first] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return [
    `${cpus().length} × ${first.model.trim()}, ${gigabytes} GiB of memory, ${process.platform} ${release().split('-', 1)[0]}`,
    `network: ${hasNamespaces ? NAMESPACES : 'loopback, because two namespaces need root'}`,
    `load and target: Node ${process.versions.node}, on the same machine`,
  ];
}
