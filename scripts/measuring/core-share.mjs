// Holds processes to a share of a core each, with the CPU controller of Linux's control groups (version 1 or 2). Needs root.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const UNIFIED = '/sys/fs/cgroup';
const LEGACY = '/sys/fs/cgroup/cpu';
/** Short, so that a process never stands still for long. */
const PERIOD_US = 10_000;

/** @returns why it cannot be done here, or undefined */
export function missingForShares() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return 'needs root on Linux';
  if (!isUnified() && !existsSync(path.join(LEGACY, 'cpu.cfs_quota_us'))) return 'there is no CPU controller';
  return undefined;
}

/** The groups of one measurement. */
export class CoreShares {
  #groups = [];

  /** @param share  of one core, for the process and all of its threads */
  hold(pid, share) {
    const quotaUs = Math.round(share * PERIOD_US);
    const group = path.join(isUnified() ? UNIFIED : LEGACY, `underpass-measure-${pid}`);
    mkdirSync(group);
    this.#groups.push(group);
    const write = (file, text) => writeFileSync(path.join(group, file), text);
    if (isUnified()) write('cpu.max', `${quotaUs} ${PERIOD_US}`);
    else {
      write('cpu.cfs_period_us', String(PERIOD_US));
      write('cpu.cfs_quota_us', String(quotaUs));
    }
    write('cgroup.procs', String(pid));
  }

  /** To be called when the processes have ended: a group with processes cannot be removed. */
  release() {
    for (const group of this.#groups.splice(0)) rmdirSync(group);
  }
}

function isUnified() {
  const file = path.join(UNIFIED, 'cgroup.subtree_control');
  return existsSync(file) && readFileSync(file, 'utf8').split(/\s/).includes('cpu');
}
